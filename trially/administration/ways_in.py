"""Where the owners of the current tenant can sign in."""

from collections.abc import Iterable

from trially.administration.issuers.schema import IssuerStatus
from trially.auth.members.rights import LockedMember
from trially.auth.own_issuers import registering
from trially.auth.own_issuers.verifying import own_issuers
from trially.auth.roles import Role
from trially.auth.tokens import UntrustedIssuerError
from trially.state import app_state
from trially.tenancy.context import current_tenant
from trially.tenancy.own_issuers import TenantIssuer


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
