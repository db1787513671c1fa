"""Add, change, list and remove members."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import select
from uuid_utils.compat import uuid7

from trially.auth.members.index import delete_index, note_member, write_index, write_invited
from trially.auth.members.invitations.accepting import invited_subjects
from trially.auth.members.model import Member, MemberExistsError, NoMemberError
from trially.auth.members.rows import (
    FIELDS,
    insert_member,
    keep_an_owner,
    lock_member,
    rights_of,
    update_member,
)
from trially.auth.members.sites import read_sites, write_sites
from trially.auth.roles import DEFAULT_PHI_LEVELS, PhiLevel, Role
from trially.database.model import length_of
from trially.database.placement import Placement, current_placement, enter_placement
from trially.database.rows import (
    Item,
    columns_named,
    delete_item,
    fetch_items,
    of_current_tenant,
    table_of,
)
from trially.database.session import transaction
from trially.errors import OperatorError
from trially.plain_text import is_plain
from trially.state import app_state
from trially.tenancy.archives.signals import tenant_restored
from trially.tenancy.lifecycle.provisioning import tenant_built
from trially.tenancy.names import check_line


class NoIssuerError(OperatorError):
    """No issuer was passed, and no trusted issuer can be the default."""


class UnsafeNameError(OperatorError):
    """A member's name or email address has characters that change how it is read."""


def default_issuer() -> str:
    """Return the first trusted issuer of people's tokens, or raise `NoIssuerError`."""
    issuer = app_state().token_verifier.first_issuer()
    if issuer is None:
        raise NoIssuerError("No issuer is configured. Pass --issuer.")
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
    """Add a member to the current tenant, by default with the PHI level of the role.

    `site_ids` restricts the member to the patients of these sites. Raises `NoSuchSiteError`,
    `UnsafeNameError`, `UnsafeTextError`, and `MemberExistsError` for an existing member. With
    `is_repeatable`, an existing member gets the role, the PHI level and the sites instead.
    """
    if not is_plain(f"{display_name} {email}"):
        raise UnsafeNameError(
            "The name or the email address has control characters, or characters that set the text"
            " direction. Remove them."
        )
    check_line(subject, "The subject", length_of(Member.subject))
    if issuer is not None:
        check_line(issuer, "The issuer", length_of(Member.issuer))
    tenant_id, issuer = current_placement().tenant_id, _recorded_name(issuer)
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
    with transaction():
        member = insert_member(values)
        if member is None and is_repeatable:
            member = update_member(subject, issuer, granted)
        if member is not None:
            write_sites(member["id"], site_ids or ())
            note_member("member add", subject, issuer, {**granted, "sites": site_ids})
    write_index(tenant_id, [(issuer, subject)])
    if member is None:
        raise _member_exists(subject)
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
    """Change the role, PHI level or sites of a member of the current tenant, and return the member.

    None leaves a value unchanged. `site_ids` replaces the member's sites, and `has_all_sites`
    removes the restriction to sites. Every process applies the change within seconds. Raises
    `NoMemberError`, `NoSuchSiteError`, and `LastOwnerError` for another role of the last owner.
    """
    issuer = _recorded_name(issuer)
    changes_sites = has_all_sites or site_ids is not None
    values = {
        "role": role,
        "phi_level": phi_level,
        "has_all_sites": has_all_sites if changes_sites else None,
    }
    changed = {name: value for name, value in values.items() if value is not None}
    with transaction():
        if role not in (None, Role.OWNER):
            keep_an_owner(subject, issuer)
        before = rights_of(subject, issuer)
        member = update_member(subject, issuer, changed)
        if member is None or before is None:
            raise _no_member(subject, issuer)
        if changes_sites:
            write_sites(member["id"], site_ids or ())
        after = {name: member[name] for name in ("role", "phi_level", "has_all_sites")}
        changes = {"old": before, "new": after, "sites": site_ids}
        note_member("member change", subject, issuer, changes)
    return _with_sites(member, read_sites())


def list_members() -> Sequence[Item]:
    """Return the current tenant's members, oldest first."""
    columns = columns_named(Member, FIELDS)
    members = fetch_items(
        select(*columns).where(of_current_tenant(Member)).order_by(table_of(Member).c.id)
    )
    sites = read_sites()
    return [_with_sites(member, sites) for member in members]


def find_member(subject: str, issuer: str | None = None) -> Item:
    """Return a member of the current tenant, or raise `NoMemberError`."""
    issuer = _recorded_name(issuer)
    wanted = (subject, issuer)
    for member in list_members():
        if (member["subject"], member["issuer"]) == wanted:
            return member
    raise _no_member(subject, issuer)


def remove_member(subject: str, issuer: str | None = None) -> None:
    """Remove a member of the current tenant.

    Raises `NoMemberError`, or `LastOwnerError` for the last owner.
    """
    issuer = _recorded_name(issuer)
    with transaction():
        keep_an_owner(subject, issuer)
        member_id = lock_member(subject, issuer)
        if member_id is not None:
            delete_item(Member, member_id)
            note_member("member remove", subject, issuer, {})
    delete_index(current_placement().tenant_id, issuer, subject)
    if member_id is None:
        raise _no_member(subject, issuer)


def rewrite_index() -> int:
    """Rebuild the catalog's index of the current tenant's members, and return their number.

    That of invited persons is rebuilt too.
    """
    tenant_id = current_placement().tenant_id
    members = [(_recorded_name(one["issuer"]), one["subject"]) for one in list_members()]
    delete_index(tenant_id)
    write_index(tenant_id, members)
    write_invited(tenant_id, invited_subjects())
    return len(members)


@tenant_restored.connect
def index_restored(placement: Placement) -> None:
    """Write the catalog's index of the members whom a restored tenant has."""
    with current_app.app_context():
        enter_placement(placement)
        rewrite_index()


@tenant_built.connect
def add_owner(placement: Placement, parameters: dict[str, Any]) -> None:
    """Add the first member of a tenant that was created with an owner."""
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


def _with_sites(member: Item, sites: Mapping[UUID, Sequence[UUID]]) -> Item:
    """Show the issuer as its tokens do, and `site_ids` in place of `has_all_sites`.

    `site_ids` is None for an unrestricted member.
    """
    values = {name: value for name, value in member.items() if name != "has_all_sites"}
    is_restricted = not member["has_all_sites"]
    return {
        **values,
        "issuer": app_state().token_verifier.current_name(member["issuer"]),
        "site_ids": sorted(sites.get(member["id"], ())) if is_restricted else None,
    }


def _recorded_name(issuer: str | None) -> str:
    """Return the name under which the members of an issuer, by default the first, are recorded."""
    return app_state().token_verifier.recorded_name(issuer or default_issuer())


def _member_exists(subject: str) -> MemberExistsError:
    return MemberExistsError(
        f"{subject!r} is already a member. Change the member with `flask tenants members change`."
    )


def _no_member(subject: str, issuer: str) -> NoMemberError:
    return NoMemberError(
        f"{subject!r} of the issuer {issuer!r} is not a member. Check --subject and --issuer."
    )
