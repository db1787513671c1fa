"""Authenticate a request: verify its token, and find its tenant and its member.

The token decides which tenants are allowed. The request may only choose among them.
"""

import re
from collections.abc import Mapping
from uuid import UUID

from flask import Flask, request

from trially.auth import sign_ins
from trially.auth.issuer_profile import IssuerProfile
from trially.auth.members.identities import Identity, find_identity
from trially.auth.refusals import (
    control_plane_unavailable,
    invalid_token,
    missing_token,
    no_access,
    tenant_leaving,
    unverifiable_token,
)
from trially.auth.resolvers import SupportResolver, is_indexed
from trially.auth.support.identities import supporter
from trially.auth.tenant_prefix import PATH_TENANT, TenantPrefix
from trially.auth.token_errors import TokenError, UnverifiableTokenError
from trially.auth.tokens import Claims, TokenVerifier
from trially.database.placement import Placement, ReplicaBehindError, ReplicaPlacement
from trially.http.codes import Code
from trially.http.problems import BadRequest
from trially.slugs import REFERENCE_PATTERN
from trially.state import app_state, request_state, state_of
from trially.tenancy.catalog_reader import CatalogUnavailableError
from trially.tenancy.directory import TenantEntry, UnknownTenantError, directory
from trially.tenancy.tenant_entries import SupportAccess

TENANT_HEADER = "X-Tenant-ID"
_TENANT_VARIABLE = "HTTP_X_TENANT_ID"
_REFERENCE = re.compile(rf"{REFERENCE_PATTERN}\Z")


def read_claims() -> Claims:
    """Return the claims of the request's bearer token, or raise `Unauthorized`.

    The log and the metrics have the reason; the response has it only in development. Raises
    `ServiceUnavailable` if the token cannot be verified now.
    """
    scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in ("", "bearer"):
        raise missing_token("wrong_scheme")
    if not scheme or not raw:
        raise missing_token("missing")
    try:
        return app_state().token_verifier.verify(raw)
    except UnverifiableTokenError as error:
        raise unverifiable_token(error) from None
    except TokenError as error:
        raise invalid_token(error.reason) from None


def resolve_tenant(claims: Claims) -> TenantEntry:
    """Return the tenant that the request is for, or raise `Forbidden` or `BadRequest`.

    The token allows some tenants, and a header and the path may choose among them. The response is
    the same for a token without tenants, for an unknown or suspended tenant, and for a choice that
    is not allowed. It therefore does not reveal which tenants exist. Raises `ServiceUnavailable` if
    the catalog must be asked and does not answer.
    """
    profile = claims.profile
    allowed, is_complete = _read_allowed(claims)
    chosen = _read_choices()
    # If the token allows several tenants and the request names one, look up only that one.
    if len(allowed) > 1 and len(chosen) == 1 and not chosen.isdisjoint(allowed):
        allowed = tuple(chosen)
    permitted: dict[UUID, TenantEntry] = {}
    refusal = "no_tenant_in_token"
    leaving: TenantEntry | None = None
    for reference in allowed:
        try:
            entry = _find_entry(reference)
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
        permitted = _find_supported(claims, chosen.copy().pop())
    if not is_complete and not (chosen and permitted):
        raise control_plane_unavailable()
    if not permitted:
        if leaving is not None:
            _tell_of_erasure(claims, leaving)
        raise no_access(refusal)
    entry = permitted.popitem()[1]
    request_state().support = _support_access(claims, entry)
    return entry


def read_identity(claims: Claims, placement: Placement) -> Identity:
    """Return the member of the current tenant that sent the token, or the operator with a grant.

    Raises `Forbidden`, or `ReplicaBehindError` if a replica does not have the member.
    """
    identity = find_identity(placement, claims.iss, claims.sub)
    access = request_state().support
    if identity is None and access is not None and access.is_active:
        return supporter(placement, claims.iss, claims.sub, access)
    if identity is None and isinstance(placement, ReplicaPlacement):
        raise ReplicaBehindError("The replica does not have this member yet.")
    if identity is None:
        raise no_access()
    return identity


def refuse_revoked(claims: Claims, entry: TenantEntry) -> None:
    """Raise `Unauthorized` if the token was issued before a revocation cut-off that applies to it.

    Call it for members only, because the 401 reveals that the tenant exists.
    """
    if not entry.cut_offs:
        return
    for scope in (("", ""), ("", claims.sub), (claims.iss, claims.sub)):
        if claims.iat < entry.cut_offs.get(scope, 0):
            raise invalid_token("revoked")


def current_identity() -> Identity:
    """Return the member that sends the current request."""
    identity = request_state().identity
    if identity is None:
        raise RuntimeError("The request has not been authenticated.")
    return identity


def _read_allowed(claims: Claims) -> tuple[tuple[str, ...], bool]:
    """Return the tenants that the token allows, and whether they are all known."""
    try:
        return claims.profile.resolver.references(claims.iss, claims.sub, claims.claims), True
    except CatalogUnavailableError:
        return (), False


def _find_supported(claims: Claims, chosen: str) -> dict[UUID, TenantEntry]:
    """Return the tenant that the request names, if the caller has a support grant for it."""
    for reference in app_state().support_resolver.references(claims.iss, claims.sub):
        try:
            entry = _find_entry(reference)
        except CatalogUnavailableError:
            continue
        if entry is not None and not _why_not_permitted(entry, claims.profile, {chosen}):
            return {entry.tenant_id: entry}
    return {}


def _tell_of_erasure(claims: Claims, entry: TenantEntry) -> None:
    """Raise the `Forbidden` that says when the tenant is erased, for its members only."""
    if entry.erase_after is not None and is_indexed(claims.iss, claims.sub, entry.tenant_id):
        raise tenant_leaving(entry.erase_after)


def _support_access(claims: Claims, entry: TenantEntry) -> SupportAccess | None:
    """Return the caller's grant for a tenant.

    An entry that outlived its age does not count, because the grant may have been revoked.
    """
    caller = (claims.iss, claims.sub)
    if caller not in entry.supporters:
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


def _read_choices() -> set[str]:
    """Return the tenants that the header and the path name. An empty header is a name, too."""
    environ = request.environ
    names = (environ.get(_TENANT_VARIABLE), environ.get(PATH_TENANT))
    return {name for name in names if name is not None}


def _find_entry(reference: str) -> TenantEntry | None:
    if not _REFERENCE.match(reference):
        return None
    try:
        return directory().find(reference)
    except UnknownTenantError:
        return None


def init_app(app: Flask, profiles: Mapping[str, IssuerProfile]) -> None:
    """Accept tokens of these issuers only."""
    state = state_of(app)
    state.token_verifier = TokenVerifier(profiles)
    state.support_resolver = SupportResolver(state.settings.placement_max_age_seconds)
    sign_ins.init_app(app)
    app.wsgi_app = TenantPrefix(app.wsgi_app)  # type: ignore[method-assign]
