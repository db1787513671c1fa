"""Check that a member grants no more than the member has, by rows that are locked meanwhile.

Present rights decide, not those that the process has cached: a member who has just lost a right can
no longer grant it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from trially.auth.identity import current_identity
from trially.auth.members.invitations.model import Invitation
from trially.auth.members.model import Member
from trially.auth.members.rights import LockedMember, Rights, lock_members
from trially.auth.roles import DEFAULT_PHI_LEVELS, PhiLevel, Role
from trially.auth.support.lasting import refuse_support
from trially.database.rows import table_of
from trially.database.since import lacking
from trially.http.codes import Code
from trially.http.problems import Forbidden

_NOT_A_MEMBER = "You are no member of this tenant any more."
_MORE = "You cannot grant more than you have: permissions, PHI level and sites."
_STRONGER = "This member has rights that you do not have, so you cannot change them."


@dataclass(frozen=True)
class Granter:
    """The caller, and all members whose rows are locked."""

    member_id: UUID
    locked: Mapping[UUID, LockedMember]

    @property
    def rights(self) -> Rights:
        """The caller's present rights. Answers 403 if the caller is no member any more."""
        self.refuse_former_member()
        return self.locked[self.member_id].rights

    def refuse_former_member(self) -> None:
        """Answer 403 if the caller is no member any more."""
        if self.member_id not in self.locked:
            raise Forbidden(_NOT_A_MEMBER)

    def refuse_more_than_own(self, granted: Rights) -> None:
        """Answer 403 if the caller does not have all that is granted."""
        if not self.rights.cover(granted):
            raise Forbidden(_MORE, code=Code.MORE_THAN_OWN_RIGHTS)

    def refuse_stronger(self, rights: Rights) -> None:
        """Answer 403 if the rights of another member are not covered by the caller's."""
        if not self.rights.cover(rights):
            raise Forbidden(_STRONGER, code=Code.MORE_THAN_OWN_RIGHTS)


def lock_granter(*member_ids: UUID) -> Granter:
    """Lock the caller, some members and all owners, and return the caller with present rights.

    Answers 403 if the caller is an operator. Raises `OutdatedTenantError` before the tenant's
    tables are migrated.
    """
    refuse_support()
    lacking().refuse_table(table_of(Invitation))
    own = current_identity().member_id
    return Granter(own, lock_members(table_of(Member).c.id.in_([own, *member_ids])))


def rights_from(body: Mapping[str, Any], former: Rights | None = None) -> Rights:
    """Return the rights that a body asks for; what it does not name is as before.

    For a new member, the PHI level is that of the role, and the sites are all.
    """
    role = Role(body["role"]) if former is None or "role" in body else former.role
    level = body.get("phi_level") or (former.phi_level if former else DEFAULT_PHI_LEVELS[role])
    site_ids = former.site_ids if former else None
    if "site_ids" in body:
        site_ids = None if body["site_ids"] is None else frozenset(body["site_ids"])
    return Rights(role, PhiLevel(level), site_ids)
