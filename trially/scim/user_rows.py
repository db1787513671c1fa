"""Rows of users, as SCIM shows and compares them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, literal, or_, select

from trially.auth.members.model import Member
from trially.auth.members.provisioning.model import ScimGroup, ScimGroupUser, ScimUser
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.organisation.singletons import combined_version
from trially.scim.answers import Json, url_of
from trially.scim.filters import Compare
from trially.scim.problems import refused
from trially.scim.resources import User
from trially.scim.texts import (
    comparable,
    id_equals,
    key_equals,
    refuse_unstorable,
    stored_text,
    text_equals,
)

MOST_EMAILS = 10

_user, _member = table_of(ScimUser), table_of(Member)
_group, _group_user = table_of(ScimGroup), table_of(ScimGroupUser)

_is_present = or_(
    _user.c.member_id.is_(None),
    select(literal(1))
    .where(_member.c.tenant_id == _user.c.tenant_id, _member.c.id == _user.c.member_id)
    .exists(),
)
"""Whether no person has removed the member that the user has become."""

_active = and_(_user.c.is_active, _is_present)
SELECT_USERS: Select[Any] = select(
    *(
        _user.c[name]
        for name in (
            *("id", "user_name", "external_id", "details", "member_id"),
            *("created_at", "updated_at", "version"),
        )
    ),
    _active.label("active"),
)


def _has_address(value: Any) -> ColumnElement[bool]:
    known = isinstance(value, str) and "\0" not in value
    return _user.c.email_keys.contains([comparable(value)]) if known else false()


ATTRIBUTES: Mapping[str, Compare] = {
    "active": lambda value: _active.is_(value) if isinstance(value, bool) else false(),
    "emails": _has_address,
    "emails.value": _has_address,
    "externalid": text_equals(_user.c.external_id),
    "id": id_equals(_user.c.id),
    "username": key_equals(_user.c.user_name_key),
}
"""The attributes that filters compare."""


def values_of(resource: User) -> Json:
    """Return the columns of a user, or answer 400 for what they do not hold."""
    details = resource.model_dump()
    emails = [each for each in details.get("emails", ()) if each.get("value")]
    if len(emails) > MOST_EMAILS:
        raise refused("tooMany", f"A user has at most {MOST_EMAILS} email addresses.")
    kept: Json = {
        name: details[name] for name in ("displayName", "name", "title") if name in details
    }
    kept |= {"emails": emails} if emails else {}
    refuse_unstorable(kept)
    user_name = stored_text(resource.user_name, _user.c.user_name, "userName")
    external_id = resource.external_id
    if external_id is not None:
        external_id = stored_text(external_id, _user.c.external_id, "externalId")
    return {
        "user_name": user_name,
        "user_name_key": comparable(user_name),
        "external_id": external_id,
        "display_name": _label_of(kept),
        "details": kept,
        "email": _primary_of(emails),
        "email_keys": sorted({comparable(each["value"]) for each in emails}),
        "is_active": resource.active is not False,
    }


def _primary_of(emails: Sequence[Json]) -> str | None:
    """Return the address by which a person is found, or None.

    It has letters of ASCII only: see `verified_email`.
    """
    address: str | None = next(
        (each["value"] for each in [*(one for one in emails if one.get("primary")), *emails]), None
    )
    return address.lower() if address is not None and address.isascii() else None


def _label_of(details: Json) -> str | None:
    """Return what a user is called: as sent, or else by the parts of the name."""
    name = details.get("name", {})
    parts = " ".join(name[part] for part in ("givenName", "familyName") if part in name)
    label = details.get("displayName") or name.get("formatted") or parts
    return label[:200] or None


def shown(rows: Sequence[Item]) -> Sequence[Item]:
    """Add the groups of each user, and the version of all that an answer shows."""
    groups = _groups_of([each["id"] for each in rows])
    for row in rows:
        row["groups"] = groups[row["id"]]
        beside = [
            row["active"],
            *(f"{each['id']} {each['display_name']}" for each in row["groups"]),
        ]
        row["version_shown"] = combined_version(row["version"], beside)
    return rows


def _groups_of(user_ids: Collection[UUID]) -> Mapping[UUID, list[Item]]:
    found: dict[UUID, list[Item]] = {user_id: [] for user_id in user_ids}
    rows = fetch_items(
        select(_group_user.c.user_id, _group.c.id, _group.c.display_name)
        .join_from(
            _group_user,
            _group,
            and_(
                _group.c.tenant_id == _group_user.c.tenant_id,
                _group.c.id == _group_user.c.group_id,
            ),
        )
        .where(of_current_tenant(ScimGroupUser), _group_user.c.user_id.in_(list(user_ids)))
        .order_by(_group.c.id)
    )
    for row in rows:
        found[row["user_id"]].append(row)
    return found


def resource_of(user: Item) -> Json:
    """Return a user as SCIM shows it."""
    user_json = {
        "id": str(user["id"]),
        "userName": user["user_name"],
        **user["details"],
        "active": user["active"],
        "groups": [
            {
                "value": str(each["id"]),
                "display": each["display_name"],
                "$ref": url_of(f"Groups/{each['id']}"),
                "type": "direct",
            }
            for each in user["groups"]
        ],
        "meta": {
            "resourceType": "User",
            "created": user["created_at"],
            "lastModified": user["updated_at"],
            "location": url_of(f"Users/{user['id']}"),
            "version": f'W/"{user["version_shown"]}"',
        },
    }
    return (
        user_json
        if user["external_id"] is None
        else user_json | {"externalId": user["external_id"]}
    )
