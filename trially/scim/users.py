"""Users of identity providers, as SCIM shows and changes them."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Response
from sqlalchemy import func, select

from trially.auth.members.provisioning.model import ScimGroup, ScimGroupUser, ScimUser
from trially.database.rows import (
    Item,
    delete_item,
    fetch_items,
    insert_item,
    of_current_tenant,
    table_of,
    update_item,
)
from trially.database.session import db
from trially.http.problems import NotFound
from trially.scim import bodies
from trially.scim.answers import answer, answer_list, url_of
from trially.scim.applying import apply_grants, link_existing, refuse_excess_members
from trially.scim.filters import condition_of
from trially.scim.group_rows import touch_groups
from trially.scim.listing import page_of
from trially.scim.problems import refuse_other_version, too_many
from trially.scim.resources import User
from trially.scim.user_rows import ATTRIBUTES, SELECT_USERS, resource_of, shown, values_of

MOST_USERS = 20_000

_user, _group = table_of(ScimUser), table_of(ScimGroup)
_group_user = table_of(ScimGroupUser)


def list_users(query: Mapping[str, Any]) -> Response:
    """Answer with a page of users."""
    conditions = [condition_of(query["filter"], ATTRIBUTES)] if "filter" in query else []
    page = page_of(ScimUser, SELECT_USERS, query, conditions)
    resources = [bodies.write(User, resource_of(each), query) for each in shown(page.rows)]
    return answer_list(resources, page.total, page.start)


def show_user(user_id: UUID, query: Mapping[str, Any]) -> Response:
    """Answer with a user, or 404."""
    return _answer(_find(user_id), query)


def create_user(query: Mapping[str, Any]) -> Response:
    """Create a user, who is no member yet, unless the same subject is one."""
    values = values_of(bodies.read_new(User))
    present = select(func.count()).select_from(_user).where(of_current_tenant(ScimUser))
    if (db.session.scalar(present) or 0) >= MOST_USERS:
        raise too_many(f"A tenant has at most {MOST_USERS:,} users.")
    created = insert_item(ScimUser, values, ("id", "external_id"))
    link_existing(created)
    apply_grants([created["id"]])
    if values["is_active"]:
        refuse_excess_members()
    return _answer(_find(created["id"]), query, HTTPStatus.CREATED)


def replace_user(user_id: UUID, query: Mapping[str, Any]) -> Response:
    """Replace what is known of a user. Answers 400, 403, 404, 409 or 412."""
    stored = _lock(user_id)
    resource = bodies.stored_resource(User, resource_of(stored))
    return _change(stored, bodies.read_replacement(User, resource), query)


def patch_user(user_id: UUID, query: Mapping[str, Any]) -> Response:
    """Apply a PATCH to a user. Answers 400, 403, 404, 409 or 412."""
    operations = bodies.read_operations()
    stored = _lock(user_id)
    resource = bodies.stored_resource(User, resource_of(stored))
    bodies.patch(resource, operations, user_id)
    return _change(stored, resource, query)


def delete_user(user_id: UUID) -> None:
    """Delete a user, and remove the member that the user has become."""
    groups = _lock_groups_with(user_id)
    _lock(user_id)
    update_item(ScimUser, user_id, {"is_active": False}, ("id",))
    apply_grants([user_id])
    delete_item(ScimUser, user_id)
    touch_groups(groups)


def _change(stored: Item, resource: User, query: Mapping[str, Any]) -> Response:
    user_id, values = stored["id"], values_of(resource)
    is_activated = values["is_active"] and not stored["active"]
    if is_activated:
        # A person may have removed the member. The identity provider says that it may come back.
        values |= {"member_id": None, "granted_by": None}
    update_item(ScimUser, user_id, values, ("id",))
    if stored["member_id"] is None:
        link_existing({"id": user_id, "external_id": values["external_id"]})
    apply_grants([user_id])
    if is_activated:
        refuse_excess_members()
    return _answer(_find(user_id), query)


def _find(user_id: UUID) -> Item:
    rows = fetch_items(SELECT_USERS.where(of_current_tenant(ScimUser), _user.c.id == user_id))
    return _or_404(shown(rows))


def _lock(user_id: UUID) -> Item:
    """Return a user whose row is locked, or answer 404, or 412 for another version."""
    row = _user.c.id == user_id
    db.session.execute(select(_user.c.id).where(of_current_tenant(ScimUser), row).with_for_update())
    stored = _find(user_id)
    refuse_other_version(stored["version_shown"])
    return stored


def _or_404(rows: Sequence[Item]) -> Item:
    if not rows:
        raise NotFound("There is no such user.")
    return rows[0]


def _lock_groups_with(user_id: UUID) -> Sequence[UUID]:
    """Lock the groups of a user, and return their ids. Groups are always locked before users."""
    own = select(_group_user.c.group_id).where(
        of_current_tenant(ScimGroupUser), _group_user.c.user_id == user_id
    )
    return db.session.scalars(
        select(_group.c.id)
        .where(of_current_tenant(ScimGroup), _group.c.id.in_(own))
        .order_by(_group.c.id)
        .with_for_update()
    ).all()


def _answer(user: Item, query: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    location = url_of(f"Users/{user['id']}") if status is HTTPStatus.CREATED else None
    return answer(
        bodies.write(User, resource_of(user), query),
        status,
        version=user["version_shown"],
        location=location,
    )
