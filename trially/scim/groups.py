"""Groups of identity providers, as SCIM shows and changes them."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Response
from sqlalchemy import func, select

from trially.auth.members.provisioning.model import ScimGroup
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
from trially.scim.answers import Json, answer, answer_list, url_of
from trially.scim.applying import apply_grants
from trially.scim.filters import condition_of
from trially.scim.group_rows import (
    ATTRIBUTES,
    SELECT_GROUPS,
    change_members,
    member_ids,
    resource_of,
    values_of,
    with_members,
)
from trially.scim.listing import page_of
from trially.scim.problems import refuse_other_version, refused, too_many
from trially.scim.resources import Group
from trially.scim.texts import uuid_of

MOST_GROUPS = 1000

_group = table_of(ScimGroup)
_PLAIN = frozenset({"id", "schemas", "displayname", "externalid"})
"""Attributes of a group that say nothing about its members, in lower case."""

_MEMBER_PATH = re.compile(r'members\[value eq "([^"]*)"\]\Z', re.IGNORECASE)


def list_groups(query: Mapping[str, Any]) -> Response:
    """Answer with a page of groups."""
    conditions = [condition_of(query["filter"], ATTRIBUTES)] if "filter" in query else []
    page = page_of(ScimGroup, SELECT_GROUPS, query, conditions)
    rows = with_members(page.rows) if _shows_members(query) else page.rows
    resources = [bodies.write(Group, resource_of(each), query) for each in rows]
    return answer_list(resources, page.total, page.start)


def show_group(group_id: UUID, query: Mapping[str, Any]) -> Response:
    """Answer with a group, or 404."""
    return _answer(_find(group_id), query)


def create_group(query: Mapping[str, Any]) -> Response:
    """Create a group. It grants nothing until somebody maps it."""
    resource = bodies.read_new(Group)
    present = select(func.count()).select_from(_group).where(of_current_tenant(ScimGroup))
    if (db.session.scalar(present) or 0) >= MOST_GROUPS:
        raise too_many(f"A tenant has at most {MOST_GROUPS:,} groups.")
    created = insert_item(ScimGroup, values_of(resource), ("id",))
    change_members(created["id"], member_ids(resource), set())
    return _answer(_find(created["id"]), query, HTTPStatus.CREATED)


def replace_group(group_id: UUID, query: Mapping[str, Any]) -> Response:
    """Replace a group and its members. Answers 400, 403, 404, 409 or 412."""
    [stored] = with_members([_lock(group_id)])
    resource = bodies.read_replacement(Group, bodies.stored_resource(Group, resource_of(stored)))
    return _change(stored, resource, query)


def patch_group(group_id: UUID, query: Mapping[str, Any]) -> Response:
    """Apply a PATCH to a group. Answers 400, 403, 404, 409 or 412.

    Of a large group, only the members that the operations name are read.
    """
    operations = [each for one in bodies.read_operations() for each in _one_by_one(one)]
    [stored] = with_members([_lock(group_id)], _named_in(operations))
    resource = bodies.stored_resource(Group, resource_of(stored))
    bodies.patch(resource, operations, group_id)
    return _change(stored, resource, query)


def delete_group(group_id: UUID) -> None:
    """Delete a group. Its users lose what it has granted."""
    [stored] = with_members([_lock(group_id)])
    delete_item(ScimGroup, group_id)
    apply_grants([each["id"] for each in stored["members"]])


def _change(stored: Item, resource: Group, query: Mapping[str, Any]) -> Response:
    group_id = stored["id"]
    update_item(ScimGroup, group_id, values_of(resource), ("id",))
    former, wanted = {each["id"] for each in stored["members"]}, member_ids(resource)
    change_members(group_id, wanted - former, former - wanted)
    apply_grants((wanted | former) - (wanted & former))
    return _answer(_find(group_id), query)


def _one_by_one(operation: Json) -> Iterator[Json]:
    """Yield an operation that removes some members as one operation for each of them.

    Entra ID sends the members with `"$ref": null`. The library removes only what is equal in all
    attributes.
    """
    kind, path = str(operation.get("op")).lower(), str(operation.get("path")).lower()
    value = operation.get("value")
    if (kind, path) != ("remove", "members") or not isinstance(value, list):
        yield operation
        return
    for each in value:
        user_id = uuid_of(each.get("value")) if isinstance(each, dict) else None
        if user_id is None:
            raise refused("invalidValue", "Each member to remove needs the id of a user.")
        yield {"op": "remove", "path": f'members[value eq "{user_id}"]'}


def _named_in(operations: Sequence[Json]) -> Collection[UUID] | None:
    """Return the ids of members that a PATCH names; None if it may affect all members."""
    named: set[UUID] = set()
    for operation in operations:
        ids = _named_in_one(operation)
        if ids is None:
            return None
        named.update(each for each in map(uuid_of, ids) if each is not None)
    return named


def _named_in_one(operation: Json) -> Collection[Any] | None:
    kind, path = str(operation.get("op")).lower(), operation.get("path")
    value = operation.get("value")
    if path is None and isinstance(value, dict):
        return () if all(name.lower() in _PLAIN for name in value) else None
    if not isinstance(path, str):
        return None
    if not path.lower().startswith("members"):
        return None if ":" in path else ()
    if path.lower() == "members" and kind in ("add", "remove") and isinstance(value, list):
        return [each.get("value") for each in value if isinstance(each, dict)]
    one = _MEMBER_PATH.match(path)
    return [one[1]] if one is not None and kind == "remove" and value is None else None


def _find(group_id: UUID) -> Item:
    rows = fetch_items(SELECT_GROUPS.where(of_current_tenant(ScimGroup), _group.c.id == group_id))
    if not rows:
        raise NotFound("There is no such group.")
    return rows[0]


def _lock(group_id: UUID) -> Item:
    """Return a group whose row is locked, or answer 404, or 412 for another version."""
    row = select(_group.c.id).where(of_current_tenant(ScimGroup), _group.c.id == group_id)
    db.session.execute(row.with_for_update())
    stored = _find(group_id)
    refuse_other_version(stored["version"])
    return stored


def _shows_members(query: Mapping[str, Any]) -> bool:
    """Return whether an answer shows members. Identity providers often leave them out."""
    names = {
        name: {each.strip().lower() for each in query.get(name, "").split(",")}
        for name in ("attributes", "excluded_attributes")
    }
    if "members" in names["excluded_attributes"]:
        return False
    return "attributes" not in query or any("members" in each for each in names["attributes"])


def _answer(group: Item, query: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    rows = with_members([group]) if _shows_members(query) else [group]
    return answer(
        bodies.write(Group, resource_of(rows[0]), query),
        status,
        version=group["version"],
        location=url_of(f"Groups/{group['id']}") if status is HTTPStatus.CREATED else None,
    )
