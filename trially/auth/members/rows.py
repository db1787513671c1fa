"""Write the rows of members, of whom one is always an owner."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.dialects.postgresql import insert

from trially.auth.members.model import Member
from trially.auth.members.rights import is_last_owner, lock_members
from trially.database.changes import note_change, note_derived
from trially.database.rows import Item, columns_named, of_current_tenant, table_of, update_item
from trially.database.session import db
from trially.errors import OperatorError

FIELDS = (
    "id",
    "issuer",
    "subject",
    "display_name",
    "email",
    "role",
    "phi_level",
    "has_all_sites",
    "created_at",
)


class LastOwnerError(OperatorError):
    """The change would leave the tenant without an owner."""


def insert_member(values: Mapping[str, Any]) -> Item | None:
    """Insert a member and return the member. An existing one stays, and None is returned."""
    row = db.session.execute(
        insert(table_of(Member))
        .values(values)
        .on_conflict_do_nothing()
        .returning(*columns_named(Member, FIELDS))
    ).first()
    note_derived(table_of(Member).name)
    if row is None:
        return None
    note_change(Member, row.id, {}, {name: (None, values[name]) for name in values})
    return dict(zip(FIELDS, row, strict=True))


def update_member(subject: str, issuer: str, values: Mapping[str, Any]) -> Item | None:
    """Change a member, and return the member; None if there is none."""
    member_id = lock_member(subject, issuer)
    return None if member_id is None else update_item(Member, member_id, values, FIELDS)


def lock_member(subject: str, issuer: str) -> UUID | None:
    """Lock the row of a member, and return the member's id; None if there is none."""
    member = table_of(Member).c
    member_id: UUID | None = db.session.execute(
        select(member.id)
        .where(of_current_tenant(Member), member.subject == subject, member.issuer == issuer)
        .with_for_update()
    ).scalar()
    return member_id


def keep_an_owner(subject: str, issuer: str) -> None:
    """Raise `LastOwnerError` if this member is the only owner.

    The rows of the member and of the owners are locked, so that two operators cannot remove the
    last two owners at once.
    """
    member = table_of(Member).c
    locked = lock_members(and_(member.subject == subject, member.issuer == issuer))
    found = [each for each, one in locked.items() if (one.subject, one.issuer) == (subject, issuer)]
    if found and is_last_owner(found[0], locked):
        raise LastOwnerError(
            f"{subject!r} is the last owner of the tenant. Make another member an owner first, with"
            " `flask tenants members add` or `flask tenants members change`."
        )


def rights_of(subject: str, issuer: str) -> dict[str, Any] | None:
    """Return what a member may do, and lock the member's row."""
    member = table_of(Member).c
    row = db.session.execute(
        select(member.role, member.phi_level, member.has_all_sites)
        .where(of_current_tenant(Member), member.subject == subject, member.issuer == issuer)
        .with_for_update()
    ).first()
    return None if row is None else dict(row._mapping)  # noqa: SLF001
