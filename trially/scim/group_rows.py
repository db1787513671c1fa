"""Rows of groups and of their members, as SCIM shows and compares them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, false, func, insert, select, update
from uuid_utils.compat import uuid7

from trially.auth.members.provisioning.model import ScimGroup, ScimGroupUser, ScimUser
from trially.database.changes import note_change, note_derived
from trially.database.placement import current_placement
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.scim.answers import Json, url_of
from trially.scim.filters import Compare
from trially.scim.problems import refused
from trially.scim.resources import Group
from trially.scim.texts import (
    comparable,
    id_equals,
    key_equals,
    stored_text,
    text_equals,
    uuid_of,
)

MOST_MEMBERS = 5000

_group, _user, _group_user = (table_of(each) for each in (ScimGroup, ScimUser, ScimGroupUser))

SELECT_GROUPS: Select[Any] = select(
    *(
        _group.c[name]
        for name in ("id", "display_name", "external_id", "created_at", "updated_at", "version")
    )
)


def _has_member(value: Any) -> ColumnElement[bool]:
    user_id = uuid_of(value)
    if user_id is None:
        return false()
    return (
        select(_group_user.c.id)
        .where(
            _group_user.c.tenant_id == _group.c.tenant_id,
            _group_user.c.group_id == _group.c.id,
            _group_user.c.user_id == user_id,
        )
        .exists()
    )


ATTRIBUTES: Mapping[str, Compare] = {
    "displayname": key_equals(_group.c.display_name_key),
    "externalid": text_equals(_group.c.external_id),
    "id": id_equals(_group.c.id),
    "members": _has_member,
    "members.value": _has_member,
}
"""The attributes that filters compare."""


def with_members(groups: Sequence[Item], only: Collection[UUID] | None = None) -> Sequence[Item]:
    """Add the members of each group, or only those with some ids."""
    found: dict[UUID, list[Item]] = {each["id"]: [] for each in groups}
    conditions = [] if only is None else [_user.c.id.in_(list(only))]
    rows = fetch_items(
        select(_group_user.c.group_id, _user.c.id, _user.c.display_name, _user.c.user_name)
        .join_from(
            _group_user,
            _user,
            and_(_user.c.tenant_id == _group_user.c.tenant_id, _user.c.id == _group_user.c.user_id),
        )
        .where(
            of_current_tenant(ScimGroupUser), _group_user.c.group_id.in_(list(found)), *conditions
        )
        .order_by(_user.c.id)
    )
    for row in rows:
        found[row["group_id"]].append(row)
    return [{**each, "members": found[each["id"]]} for each in groups]


def values_of(resource: Group) -> Json:
    """Return the columns of a group, or answer 400 for what they do not hold."""
    name = stored_text(resource.display_name, _group.c.display_name, "displayName")
    external_id = resource.external_id
    if external_id is not None:
        external_id = stored_text(external_id, _group.c.external_id, "externalId")
    return {
        "display_name": name,
        "display_name_key": comparable(name),
        "external_id": external_id,
    }


def member_ids(resource: Group) -> set[UUID]:
    """Return the ids of a group's members, or answer 400 for a member that is no user's id."""
    found = set()
    for member in resource.members or ():
        user_id = uuid_of(member.value)
        if user_id is None or (member.type or "User").lower() != "user":
            raise refused("invalidValue", "Members of a group must be users, by their id.")
        found.add(user_id)
    return found


def change_members(group_id: UUID, added: set[UUID], removed: set[UUID]) -> None:
    """Add users to a group and take others out. Answers 400 for a user who does not exist."""
    if not added and not removed:
        return
    if set(_existing(added)) != added:
        raise refused("invalidValue", "A member of the group is no user of this tenant.")
    own = [of_current_tenant(ScimGroupUser), _group_user.c.group_id == group_id]
    if removed:
        db.session.execute(
            delete(_group_user).where(*own, _group_user.c.user_id.in_(list(removed)))
        )
    if added:
        tenant_id = current_placement().tenant_id
        rows = [
            {"id": uuid7(), "tenant_id": tenant_id, "group_id": group_id, "user_id": user_id}
            for user_id in sorted(added)
        ]
        db.session.execute(insert(_group_user), rows)
    _refuse_large(own)
    former, present = sorted(map(str, removed)), sorted(map(str, added))
    note_change(ScimGroupUser, group_id, {}, {"user_id": (former, present)})
    touch_groups([group_id])


def touch_groups(group_ids: Collection[UUID]) -> None:
    """Give groups a new version, because their members have changed."""
    db.session.execute(
        update(_group)
        .where(of_current_tenant(ScimGroup), _group.c.id.in_(list(group_ids)))
        .values(updated_at=func.now())
    )
    note_derived(_group.name)


def _existing(user_ids: Collection[UUID]) -> Collection[UUID]:
    """Return those of these users who exist, and lock them against deletion."""
    if not user_ids:
        return ()
    return db.session.scalars(
        select(_user.c.id)
        .where(of_current_tenant(ScimUser), _user.c.id.in_(list(user_ids)))
        .order_by(_user.c.id)
        .with_for_update(key_share=True, read=True)
    ).all()


def _refuse_large(own: Sequence[ColumnElement[bool]]) -> None:
    count = db.session.scalar(select(func.count()).select_from(_group_user).where(*own)) or 0
    if count > MOST_MEMBERS:
        raise refused("tooMany", f"A group has at most {MOST_MEMBERS:,} members.")


def resource_of(group: Item) -> Json:
    """Return a group as SCIM shows it, with its members if they were read."""
    group_json = {
        "id": str(group["id"]),
        "displayName": group["display_name"],
        "members": [
            {
                "value": str(each["id"]),
                "display": each["display_name"] or each["user_name"],
                "$ref": url_of(f"Users/{each['id']}"),
                "type": "User",
            }
            for each in group.get("members", ())
        ],
        "meta": {
            "resourceType": "Group",
            "created": group["created_at"],
            "lastModified": group["updated_at"],
            "location": url_of(f"Groups/{group['id']}"),
            "version": f'W/"{group["version"]}"',
        },
    }
    external_id = group["external_id"]
    return group_json if external_id is None else group_json | {"externalId": external_id}
