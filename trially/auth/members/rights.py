"""What a member may do, as one value. A member may grant only what the member has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from trially.auth.members.model import Member, MemberSite
from trially.auth.roles import ROLE_PERMISSIONS, PhiLevel, Role
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db

LEVELS = (PhiLevel.NONE, PhiLevel.LIMITED, PhiLevel.FULL)
"""The PHI levels, the lowest first."""


@dataclass(frozen=True)
class Rights:
    """A role, a PHI level, and the sites that it is restricted to; None means all sites."""

    role: Role
    phi_level: PhiLevel
    site_ids: frozenset[UUID] | None

    @property
    def are_all(self) -> bool:
        """Whether nothing is missing: an owner with the PHI level `full` and all sites."""
        return self == Rights(Role.OWNER, PhiLevel.FULL, None)

    def cover(self, other: "Rights") -> bool:
        """Return whether the other rights allow nothing that these do not allow.

        Roles are compared as a whole: an owner whom a PHI level and sites leave few permissions is
        still an owner.
        """
        return (
            ROLE_PERMISSIONS[other.role] <= ROLE_PERMISSIONS[self.role]
            and LEVELS.index(other.phi_level) <= LEVELS.index(self.phi_level)
            and _includes(self.site_ids, other.site_ids)
        )


@dataclass(frozen=True)
class LockedMember:
    """A member whose row is locked until the end of the transaction."""

    issuer: str
    subject: str
    rights: Rights


def lock_members(which: ColumnElement[bool]) -> Mapping[UUID, LockedMember]:
    """Lock the members who meet a condition, and all owners, and return them by id.

    Rows are locked in the order of their ids, so that two transactions never wait for each other.
    """
    member = table_of(Member).c
    rows = db.session.execute(
        select(
            member.id,
            member.issuer,
            member.subject,
            member.role,
            member.phi_level,
            member.has_all_sites,
        )
        .where(of_current_tenant(Member), or_(which, member.role == Role.OWNER))
        .order_by(member.id)
        .with_for_update()
    ).all()
    sites = _sites_of(row.id for row in rows if not row.has_all_sites)
    return {
        row.id: LockedMember(
            row.issuer,
            row.subject,
            Rights(Role(row.role), PhiLevel(row.phi_level), sites.get(row.id)),
        )
        for row in rows
    }


def rights_of_member(member_id: UUID) -> Rights | None:
    """Return the present rights of a member, or None if there is no such member."""
    member = table_of(Member).c
    row = db.session.execute(
        select(member.role, member.phi_level, member.has_all_sites).where(
            of_current_tenant(Member), member.id == member_id
        )
    ).first()
    if row is None:
        return None
    sites = {} if row.has_all_sites else _sites_of([member_id])
    return Rights(Role(row.role), PhiLevel(row.phi_level), sites.get(member_id))


def is_last_owner(member_id: UUID, locked: Mapping[UUID, LockedMember]) -> bool:
    """Return whether a member is the only owner among the locked members."""
    owners = [each for each, one in locked.items() if one.rights.role is Role.OWNER]
    return owners == [member_id]


def is_last_with_all_rights(member_id: UUID, locked: Mapping[UUID, LockedMember]) -> bool:
    """Return whether no other one of the locked members has all rights.

    The tenant would lose them: an owner who lacks some cannot give them to another member.
    """
    with_all = [each for each, one in locked.items() if one.rights.are_all]
    return with_all == [member_id]


def _sites_of(member_ids: Iterable[UUID]) -> dict[UUID, frozenset[UUID]]:
    """Return the sites of restricted members, also of those without any."""
    restricted = list(member_ids)
    sites: dict[UUID, set[UUID]] = {each: set() for each in restricted}
    if restricted:
        site = table_of(MemberSite).c
        rows = db.session.execute(
            select(site.member_id, site.site_id).where(
                of_current_tenant(MemberSite), site.member_id.in_(restricted)
            )
        )
        for member_id, site_id in rows:
            sites[member_id].add(site_id)
    return {member_id: frozenset(ids) for member_id, ids in sites.items()}


def _includes(own: frozenset[UUID] | None, others: frozenset[UUID] | None) -> bool:
    if own is None:
        return True
    return others is not None and others <= own
