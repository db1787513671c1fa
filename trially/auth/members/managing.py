"""Members come and go: by command, and with a new tenant."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from trially.auth.members.model import Member, MemberExistsError, MemberSite, NoMemberError
from trially.auth.permissions import DEFAULT_PHI_LEVELS, PhiLevel, Role
from trially.database.placement import Placement, current_placement, enter_placement
from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.errors import OperatorError
from trially.state import app_state
from trially.tenancy.catalog import MembershipIndex, catalog_transaction
from trially.tenancy.lifecycle.provisioning import tenant_built

SHOWN = (
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


class NoIssuerError(OperatorError):
    """A member's issuer was not named, and there is none to take it from."""


class NoSuchSiteError(OperatorError):
    """A member is to be restricted to a site that the tenant has not got."""


def default_issuer() -> str:
    """Return the issuer of members that are added without one: the first trusted."""
    issuer = app_state().token_verifier.first_issuer()
    if issuer is None:
        raise NoIssuerError("No issuer is configured: say --issuer.")
    return issuer


def add_member(
    subject: str,
    role: Role,
    *,
    issuer: str | None = None,
    display_name: str | None = None,
    email: str | None = None,
    phi_level: PhiLevel | None = None,
    site_ids: Collection[UUID] | None = None,
    is_repeatable: bool = False,
) -> Item:
    """Add a member to the current tenant, with the PHI level of their role if none is given.

    `site_ids` restricts them to the patients of these sites. Raises `MemberExistsError` if there
    is such a member already, unless `is_repeatable`, which then gives that one the role, the level
    and the sites.
    """
    tenant_id, issuer = current_placement().tenant_id, issuer or default_issuer()
    granted = {
        "role": role,
        "phi_level": phi_level or DEFAULT_PHI_LEVELS[role],
        "has_all_sites": site_ids is None,
    }
    values = {
        **granted,
        "id": uuid7(),
        "tenant_id": tenant_id,
        "issuer": issuer,
        "subject": subject,
        "display_name": display_name,
        "email": email,
    }
    statement = insert(table_of(Member)).values(values)
    statement = (
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "issuer", "subject"], set_=granted
        )
        if is_repeatable
        else statement.on_conflict_do_nothing()
    )
    with transaction():
        row = db.session.execute(statement.returning(*columns_named(Member, SHOWN))).first()
        if row is not None:
            _write_sites(row.id, site_ids or ())
    _write_index(tenant_id, [(issuer, subject)])
    if row is None:
        raise MemberExistsError(f"{subject!r} is a member already.")
    member = dict(zip(SHOWN, row, strict=True))
    return _with_sites(member, {member["id"]: list(site_ids or ())})


def change_member(
    subject: str,
    issuer: str | None = None,
    *,
    role: Role | None = None,
    phi_level: PhiLevel | None = None,
    site_ids: Collection[UUID] | None = None,
    has_all_sites: bool = False,
) -> Item:
    """Give a member of the current tenant another role, PHI level or sites; the rest stays.

    `site_ids` restricts them to the patients of these sites and no others, `has_all_sites` ends any
    restriction. Every process knows within seconds. Raises `NoMemberError` and `NoSuchSiteError`.
    """
    member, issuer = table_of(Member), issuer or default_issuer()
    is_moved = has_all_sites or site_ids is not None
    wanted = {
        "role": role,
        "phi_level": phi_level,
        "has_all_sites": has_all_sites if is_moved else None,
    }
    statement = (
        update(member)
        .where(of_current_tenant(Member), member.c.subject == subject, member.c.issuer == issuer)
        .values({name: value for name, value in wanted.items() if value is not None})
        .returning(*columns_named(Member, SHOWN))
    )
    with transaction():
        row = db.session.execute(statement).first()
        if row is None:
            raise NoMemberError(f"There is no member {subject!r}.")
        if is_moved:
            _write_sites(row.id, site_ids or ())
    return _with_sites(dict(zip(SHOWN, row, strict=True)), _read_sites())


def list_members() -> Sequence[Item]:
    """Return the current tenant's members, oldest first."""
    columns = columns_named(Member, SHOWN)
    members = fetch_items(
        select(*columns).where(of_current_tenant(Member)).order_by(table_of(Member).c.id)
    )
    sites = _read_sites()
    return [_with_sites(member, sites) for member in members]


def remove_member(subject: str, issuer: str | None = None) -> None:
    """Remove a member of the current tenant, or raise `NoMemberError`."""
    member, issuer = table_of(Member), issuer or default_issuer()
    statement = (
        delete(member)
        .where(of_current_tenant(Member), member.c.subject == subject, member.c.issuer == issuer)
        .returning(member.c.id)
    )
    with transaction():
        row = db.session.execute(statement).first()
    _delete_index(current_placement().tenant_id, issuer, subject)
    if row is None:
        raise NoMemberError(f"There is no member {subject!r}.")


def rewrite_index() -> int:
    """Make the catalog's index of the current tenant's members what they are; return how many."""
    tenant_id = current_placement().tenant_id
    members = [(member["issuer"], member["subject"]) for member in list_members()]
    _delete_index(tenant_id)
    _write_index(tenant_id, members)
    return len(members)


def _write_index(tenant_id: UUID, members: Sequence[tuple[str, str]]) -> None:
    """Note in the catalog where these are members.

    It commits by itself, after the tenant's own table: an entry without a member opens nothing,
    and a member without an entry comes about again with the same command.
    """
    if not members:
        return
    rows = [
        {"issuer": issuer, "subject": subject, "tenant_id": tenant_id}
        for issuer, subject in members
    ]
    with catalog_transaction() as session:
        session.execute(insert(MembershipIndex).values(rows).on_conflict_do_nothing())


def _delete_index(tenant_id: UUID, issuer: str | None = None, subject: str | None = None) -> None:
    """Take out of the catalog where this one is a member, or all of the tenant's."""
    statement = delete(MembershipIndex).where(MembershipIndex.tenant_id == tenant_id)
    if issuer is not None:
        statement = statement.where(
            MembershipIndex.issuer == issuer, MembershipIndex.subject == subject
        )
    with catalog_transaction() as session:
        session.execute(statement)


@tenant_built.connect
def add_owner(placement: Placement, parameters: dict[str, Any]) -> None:
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


def _write_sites(member_id: UUID, site_ids: Collection[UUID]) -> None:
    """Restrict a member to these sites and no others, or raise `NoSuchSiteError`."""
    tenant_id = current_placement().tenant_id
    theirs = delete(table_of(MemberSite)).where(
        of_current_tenant(MemberSite), table_of(MemberSite).c.member_id == member_id
    )
    db.session.execute(theirs)
    rows = [
        {"id": uuid7(), "tenant_id": tenant_id, "member_id": member_id, "site_id": site_id}
        for site_id in set(site_ids)
    ]
    if not rows:
        return
    try:
        db.session.execute(insert(table_of(MemberSite)), rows)
    except IntegrityError as error:
        raise NoSuchSiteError("There is no such site.") from error


def _read_sites() -> Mapping[UUID, Sequence[UUID]]:
    """Return the sites of the current tenant's restricted members, by the members' ids."""
    sites: dict[UUID, list[UUID]] = {}
    for member_id, site_id in db.session.execute(
        select(MemberSite.member_id, MemberSite.site_id).where(of_current_tenant(MemberSite))
    ):
        sites.setdefault(member_id, []).append(site_id)
    return sites


def _with_sites(member: Item, sites: Mapping[UUID, Sequence[UUID]]) -> Item:
    """Show the sites that a member is restricted to, None for one who is not."""
    shown = {name: value for name, value in member.items() if name != "has_all_sites"}
    is_restricted = not member["has_all_sites"]
    return {**shown, "site_ids": sorted(sites.get(member["id"], ())) if is_restricted else None}
