"""Keep an owner in the current tenant who can sign in and has all rights."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from trially.administration.issuers.schema import IssuerStatus
from trially.auth.members.rights import LockedMember, is_last_owner, is_last_with_all_rights
from trially.auth.own_issuers import registering
from trially.auth.own_issuers.verifying import own_issuers
from trially.auth.roles import Role
from trially.auth.tokens import UntrustedIssuerError
from trially.http.codes import Code
from trially.http.problems import Conflict
from trially.state import app_state
from trially.tenancy.context import current_tenant
from trially.tenancy.own_issuers import TenantIssuer


def keep_an_owner(member_id: UUID, members: Mapping[UUID, LockedMember]) -> None:
    """Answer 409 if the tenant cannot do without a member's rights.

    `members` has all owners, whose rows are locked.
    """
    if is_last_owner(member_id, members):
        raise Conflict(
            "This is the last owner of the tenant. Make another member an owner first.",
            code=Code.LAST_OWNER,
        )
    if is_last_with_all_rights(member_id, members):
        raise Conflict(
            "This is the last owner with the PHI level full and all sites. Make another member such"
            " an owner first.",
            code=Code.LAST_OWNER,
        )
    if members[member_id].rights.role is not Role.OWNER:
        return
    others = (each for other, each in members.items() if other != member_id)
    if not any(map(is_way_in, issuers_of_owners(others))):
        raise Conflict(
            "The other owners sign in at issuers whose tokens do not count. Make a member who can"
            " sign in an owner first.",
            code=Code.NO_OWNER_COULD_SIGN_IN,
        )


def issuers_of_owners(members: Iterable[LockedMember]) -> frozenset[str]:
    """Return the issuers at which the owners among some members sign in, as they are recorded."""
    return frozenset(each.issuer for each in members if each.rights.role is Role.OWNER)


def is_way_in(issuer: str) -> bool:
    """Return whether members of an issuer can sign in to the tenant. It is named as recorded."""
    verifier, entry = app_state().token_verifier, current_tenant()
    try:
        profile = verifier.profile_of(verifier.current_name(issuer))
    except UntrustedIssuerError:
        rows = registering.read_issuers()
        return any(row.issuer == issuer and status_of(row) is IssuerStatus.ACTIVE for row in rows)
    return profile.may_speak_for(*entry.names)


def status_of(row: TenantIssuer) -> IssuerStatus:
    """Return whether the tokens of an issuer of the tenant count, and why not."""
    if own_issuers().reserved.why(row.issuer) is not None:
        return IssuerStatus.RESERVED
    if not row.is_enabled:
        return IssuerStatus.DISABLED
    return IssuerStatus.PENDING if row.proven_at is None else IssuerStatus.ACTIVE
