"""Find the tenant of a token, and the member who sent it.

The token decides which tenants are allowed. The request may only choose among them.
"""

from uuid import UUID

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.members.identities import Identity, find_identity, read_member
from trially.auth.members.invitations.accepting import accept_invitation
from trially.auth.members.provisioning.linking import link_provisioned
from trially.auth.named_tenants import TENANT_HEADER, find_entry, read_choices
from trially.auth.refusals import control_plane_unavailable, no_access, tenant_leaving
from trially.auth.resolvers import MembershipResolver, is_indexed, is_invited
from trially.auth.support.identities import supporter
from trially.auth.tokens import Claims
from trially.database.placement import Placement, ReplicaBehindError, ReplicaPlacement
from trially.http.codes import Code
from trially.http.problems import BadRequest
from trially.request_state import request_state
from trially.state import app_state
from trially.tenancy.catalog_reader import CatalogUnavailableError
from trially.tenancy.directory import TenantEntry, UnknownTenantError, directory
from trially.tenancy.tenant_entries import SupportAccess


def resolve_tenant_of_token(claims: Claims) -> TenantEntry:
    """Return the tenant that the request is for, or raise `Forbidden` or `BadRequest`.

    The token allows some tenants, and a header and the path may choose among them. The response is
    the same for a token without tenants, for an unknown or suspended tenant, and for a choice that
    is not allowed. It therefore does not reveal which tenants exist. Raises `ServiceUnavailable` if
    the catalog must be asked and does not answer.
    """
    profile = claims.profile
    allowed, is_complete = _read_allowed(claims)
    chosen = read_choices()
    # If the token allows several tenants and the request names one, look up only that one.
    if len(allowed) > 1 and len(chosen) == 1 and not chosen.isdisjoint(allowed):
        allowed = tuple(chosen)
    permitted: dict[UUID, TenantEntry] = {}
    refusal = "no_tenant_in_token"
    leaving: TenantEntry | None = None
    for reference in allowed:
        try:
            entry = find_entry(reference)
        except CatalogUnavailableError:
            is_complete = False
            continue
        refusal = _why_not_permitted(entry, profile, chosen - {reference})
        if entry is not None and not refusal:
            permitted[entry.tenant_id] = entry
        elif entry is not None and entry.is_suspended and entry.erase_after is not None:
            leaving = entry
    if len(permitted) > 1:
        raise BadRequest(
            f"The token is valid for several tenants. Choose one with {TENANT_HEADER}.",
            code=Code.TENANT_CHOICE_REQUIRED,
        )
    if not permitted and len(chosen) == 1:
        name = next(iter(chosen))
        permitted = _find_supported(claims, name) or _find_invited(claims, name)
    if not is_complete and not (chosen and permitted):
        raise control_plane_unavailable()
    if not permitted:
        if leaving is not None:
            _tell_of_erasure(claims, leaving)
        raise no_access(refusal)
    entry = permitted.popitem()[1]
    request_state().support = _support_access(claims, entry)
    return entry


def read_identity_of_token(claims: Claims, placement: Placement) -> Identity:
    """Return the member of the current tenant that sent the token, or the operator with a grant.

    A provisioned or invited person becomes a member. Raises `Forbidden`, or `ReplicaBehindError` if
    a replica does not have the member.
    """
    identity = find_identity(placement, claims.iss, claims.sub)
    access = request_state().support
    if identity is None and access is not None and access.is_active:
        return supporter(placement, claims.iss, claims.sub, access)
    if identity is None and isinstance(placement, ReplicaPlacement):
        raise ReplicaBehindError("The replica does not have this member yet.")
    if identity is None:
        # Several first requests may come together. The next one caches the member, because this one
        # may be rolled back.
        _admit_newcomer(claims)
        identity = read_member(placement, claims.iss, claims.sub)
    if identity is None:
        raise no_access()
    return identity


def _read_allowed(claims: Claims) -> tuple[tuple[str, ...], bool]:
    """Return the tenants that the token allows, and whether they are all known."""
    try:
        return claims.profile.resolver.references(claims.iss, claims.sub, claims.claims), True
    except CatalogUnavailableError:
        return (), False


def _find_supported(claims: Claims, chosen: str) -> dict[UUID, TenantEntry]:
    """Return the tenant that the request names, if the caller has a support grant for it.

    A tenant's own issuer cannot speak for an operator.
    """
    if claims.profile.own is not None:
        return {}
    for reference in app_state().support_resolver.references(claims.iss, claims.sub):
        try:
            entry = find_entry(reference)
        except CatalogUnavailableError:
            continue
        if entry is not None and not _why_not_permitted(entry, claims.profile, {chosen}):
            return {entry.tenant_id: entry}
    return {}


def _find_invited(claims: Claims, chosen: str) -> dict[UUID, TenantEntry]:
    """Return the tenant that the request names, if it has invited the caller.

    Only tokens that name no tenant themselves need this: those of `membership` issuers.
    """
    if not isinstance(claims.profile.resolver, MembershipResolver):
        return {}
    try:
        entry = find_entry(chosen)
    except CatalogUnavailableError:
        return {}
    if entry is None or _why_not_permitted(entry, claims.profile, {chosen}):
        return {}
    return {entry.tenant_id: entry} if is_invited(claims.iss, claims.sub, entry.tenant_id) else {}


def _admit_newcomer(claims: Claims) -> None:
    """Make the caller a member, if the identity provider or an invitation says so."""
    caller = (claims.iss, claims.sub, claims.claims)
    try:
        if not link_provisioned(*caller):
            accept_invitation(*caller)
    except CatalogUnavailableError:
        raise control_plane_unavailable() from None


def _tell_of_erasure(claims: Claims, entry: TenantEntry) -> None:
    """Raise the `Forbidden` that says when the tenant is erased, for its members only."""
    if entry.erase_after is not None and is_indexed(claims.iss, claims.sub, entry.tenant_id):
        raise tenant_leaving(entry.erase_after)


def _support_access(claims: Claims, entry: TenantEntry) -> SupportAccess | None:
    """Return the caller's grant for a tenant.

    An entry that outlived its age does not count, because the grant may have been revoked.
    """
    caller = (claims.iss, claims.sub)
    if claims.profile.own is not None or caller not in entry.supporters:
        return None
    try:
        return directory().find_current(str(entry.tenant_id)).supporters.get(caller)
    except (CatalogUnavailableError, UnknownTenantError):
        return None


def _why_not_permitted(
    entry: TenantEntry | None, profile: IssuerProfile, other_choices: set[str]
) -> str:
    """Return why a tenant of the token is not for the request, for the log; empty if it is."""
    if entry is None:
        return "unknown_tenant"
    if entry.is_suspended:
        return "suspended_tenant"
    if not profile.may_speak_for(*entry.names):
        return "tenant_not_for_issuer"
    return "" if other_choices <= entry.names else "tenant_not_in_token"
