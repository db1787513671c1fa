"""Who sends a request, and for which tenant: the token says, and the request may only choose."""

import re
from collections.abc import Mapping
from uuid import UUID

from flask import Flask, current_app, request

from trially.auth.members.identities import Identity, find_identity
from trially.auth.tenant_prefix import PATH_TENANT, TenantPrefix
from trially.auth.tokens import Claims, IssuerProfile, TokenError, TokenVerifier
from trially.database.placement import Placement, ReplicaBehindError, ReplicaPlacement
from trially.http.codes import Code
from trially.http.problems import BadRequest, Forbidden, Unauthorized
from trially.state import app_state, request_state, state_of
from trially.tenancy.directory import TenantEntry, UnknownTenantError, directory

TENANT_HEADER = "X-Tenant-ID"
_TENANT_VARIABLE = "HTTP_X_TENANT_ID"
_REFERENCE = re.compile(r"[a-z0-9-]{3,40}\Z")
"""What a slug or an id looks like."""


def read_claims() -> Claims:
    """Verify the bearer token of the request, or answer 401 without saying what was wrong."""
    scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    if not raw or scheme.lower() != "bearer":
        raise Unauthorized(
            "The request has no bearer token.",
            code=Code.MISSING_TOKEN,
            headers={"WWW-Authenticate": 'Bearer realm="trially"'},
        )
    try:
        return app_state().token_verifier.verify(raw)
    except TokenError as error:
        current_app.logger.info("A token was refused: %s.", error)
        raise invalid_token() from None


def resolve_tenant(claims: Claims) -> TenantEntry:
    """Return where the tenant that the request is for lives.

    The token says which tenants it may be for; a header and the path may choose among them. A
    token for no tenant, an unknown or suspended one, and a choice that is not among them are all
    answered alike: the answer tells nothing about which tenants there are.
    """
    profile = claims.profile
    allowed = profile.resolver.references(claims.iss, claims.sub, claims.claims)
    chosen = _read_choices()
    if len(allowed) > 1 and len(chosen) == 1 and not chosen.isdisjoint(allowed):
        allowed = tuple(chosen)
    found: dict[UUID, TenantEntry] = {}
    for reference in allowed:
        entry = _find_entry(reference)
        if entry is None or entry.is_suspended:
            continue
        names = entry.names
        if profile.may_speak_for(*names) and chosen <= names | {reference}:
            found[entry.tenant_id] = entry
    if len(found) > 1:
        raise BadRequest(
            f"The token is valid for several tenants. Choose one with {TENANT_HEADER}.",
            code=Code.TENANT_CHOICE_REQUIRED,
        )
    if not found:
        raise no_access()
    return found.popitem()[1]


def read_identity(claims: Claims, placement: Placement) -> Identity:
    """Return the member of the current tenant that the token is for."""
    identity = find_identity(placement, claims.iss, claims.sub)
    if identity is None and isinstance(placement, ReplicaPlacement):
        raise ReplicaBehindError("A replica knows no such member yet.")
    if identity is None:
        raise no_access()
    return identity


def refuse_revoked(claims: Claims, entry: TenantEntry) -> None:
    """Answer 401 if the token was issued before a cut-off of the tenant that is meant for it.

    To be asked of members only: strangers are not to learn that there is such a tenant.
    """
    if not entry.cut_offs:
        return
    for meant in (("", ""), ("", claims.sub), (claims.iss, claims.sub)):
        if claims.iat < entry.cut_offs.get(meant, 0):
            current_app.logger.info("A token was refused: revoked.")
            raise invalid_token()


def current_identity() -> Identity:
    """Return who sends the current request."""
    identity = request_state().identity
    if identity is None:
        raise RuntimeError("The request has not been authenticated.")
    return identity


def no_access() -> Forbidden:
    """Make the one refusal for every tenant that is not the caller's.

    The request cycle sees to it that each comes as late as the others.
    """
    request_state().is_stranger = True
    return Forbidden("You have no access to this tenant.", code=Code.NO_TENANT_ACCESS)


def invalid_token() -> Unauthorized:
    """Make the one refusal for every token that is not good."""
    return Unauthorized(
        "The token is invalid.",
        code=Code.INVALID_TOKEN,
        headers={"WWW-Authenticate": 'Bearer realm="trially", error="invalid_token"'},
    )


def _read_choices() -> set[str]:
    """Return the tenants that the request itself names: an empty name is one too."""
    environ = request.environ
    named = (environ.get(_TENANT_VARIABLE), environ.get(PATH_TENANT))
    return {name for name in named if name is not None}


def _find_entry(reference: str) -> TenantEntry | None:
    if not _REFERENCE.match(reference):
        return None
    try:
        return directory().find(reference)
    except UnknownTenantError:
        return None


def init_app(app: Flask, profiles: Mapping[str, IssuerProfile]) -> None:
    """Trust these issuers and no others."""
    state_of(app).token_verifier = TokenVerifier(profiles)
    app.wsgi_app = TenantPrefix(app.wsgi_app)  # type: ignore[method-assign]
