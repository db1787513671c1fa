"""Members come and go: by command, and with a new tenant."""

from collections.abc import Sequence
from typing import Any

from flask import current_app
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from trially.auth.members import Member, MemberExistsError, NoMemberError
from trially.auth.permissions import Role
from trially.config import current_settings
from trially.database.placement import Placement, current_placement, enter_placement
from trially.database.rows import Item, columns_named, fetch_items, is_ours, table_of
from trially.database.session import db, transaction
from trially.tenancy.provisioning import tenant_built

SHOWN = ("id", "issuer", "subject", "display_name", "email", "role", "created_at")


class NoIssuerError(RuntimeError):
    """A member's issuer was not named, and there is none to take it from."""


def default_issuer() -> str:
    """Return the issuer of members that are added without one: the first trusted."""
    settings = current_settings()
    if settings.issuers:
        return settings.issuers[0]
    built_in = current_app.extensions.get("trially_dev_issuer")
    if built_in is None:
        raise NoIssuerError("No issuer is configured: say --issuer.")
    return str(built_in.url)


def add_member(
    subject: str,
    role: Role,
    *,
    issuer: str | None = None,
    display_name: str | None = None,
    email: str | None = None,
    is_repeatable: bool = False,
) -> Item:
    """Add a member to the current tenant.

    Raises `MemberExistsError` if there is one already, unless `is_repeatable`, which then gives
    that one the role.
    """
    values = {
        "id": uuid7(),
        "tenant_id": current_placement().tenant_id,
        "issuer": issuer or default_issuer(),
        "subject": subject,
        "role": role,
        "display_name": display_name,
        "email": email,
    }
    statement = insert(table_of(Member)).values(values)
    statement = (
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "issuer", "subject"], set_={"role": role}
        )
        if is_repeatable
        else statement.on_conflict_do_nothing()
    )
    with transaction():
        row = db.session.execute(statement.returning(*columns_named(Member, SHOWN))).first()
    if row is None:
        raise MemberExistsError(f"{subject!r} is a member already.")
    return dict(zip(SHOWN, row, strict=True))


def list_members() -> Sequence[Item]:
    """Return the current tenant's members, oldest first."""
    columns = columns_named(Member, SHOWN)
    return fetch_items(select(*columns).where(is_ours(Member)).order_by(table_of(Member).c.id))


def remove_member(subject: str, issuer: str | None = None) -> None:
    """Remove a member of the current tenant, or raise `NoMemberError`."""
    member = table_of(Member)
    statement = (
        delete(member)
        .where(is_ours(Member), member.c.subject == subject)
        .where(member.c.issuer == (issuer or default_issuer()))
        .returning(member.c.id)
    )
    with transaction():
        if db.session.execute(statement).first() is None:
            raise NoMemberError(f"There is no member {subject!r}.")


@tenant_built.connect
def seat_owner(placement: Placement, parameters: dict[str, Any]) -> None:
    """Write a new tenant's first member, if the operation names one."""
    if "owner" not in parameters:
        return
    with current_app.app_context():
        enter_placement(placement)
        add_member(
            parameters["owner"],
            Role.OWNER,
            issuer=parameters.get("owner_issuer"),
            is_repeatable=True,
        )
