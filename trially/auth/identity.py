"""Authenticate a request: verify its token, and find its tenant and its member.

The token decides which tenants are allowed. The request may only choose among them.
"""

import re
from collections.abc import Mapping
from uuid import UUID

from flask import Flask, current_app, request

from trially.auth.members.identities import Identity, find_identity
from trially.auth.tenant_prefix import PATH_TENANT, TenantPrefix
from trially.auth.token_errors import REASONS, TokenError, UnverifiableTokenError
from trially.auth.tokens import Claims, IssuerProfile, TokenVerifier
from trially.database.placement import Placement, ReplicaBehindError, ReplicaPlacement
from trially.http.codes import Code
from trially.http.problems import BadRequest, Forbidden, Problem, ServiceUnavailable, Unauthorized
from trially.http.retry_after import retry_after
from trially.observability.metrics import OTHER, tokens_refused_total
from trially.slugs import REFERENCE_PATTERN
from trially.state import app_state, request_state, state_of
from trially.tenancy.catalog_reader import CatalogUnavailableError, catalog_reader
from trially.tenancy.directory import TenantEntry, UnknownTenantError, directory

TENANT_HEADER = "X-Tenant-ID"
_TENANT_VARIABLE = "HTTP_X_TENANT_ID"
_REFERENCE = re.compile(rf"{REFERENCE_PATTERN}\Z")


def read_claims() -> Claims:
    """Return the claims of the request's bearer token, or raise `Unauthorized`.

    The response does not give the reason. The log and the metrics do. Raises `ServiceUnavailable`
    if the token cannot be verified now.
    """
    scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    if not raw or scheme.lower() != "bearer":
        tokens_refused_total.labels("missing").inc()
        raise Unauthorized(
            "The request has no bearer token.",
            code=Code.MISSING_TOKEN,
            headers={"WWW-Authenticate": 'Bearer realm="trially"'},
        )
    try:
        return app_state().token_verifier.verify(raw)
    except UnverifiableTokenError as error:
        tokens_refused_total.labels(error.reason).inc()
        raise ServiceUnavailable(
            "The token cannot be verified now, because its issuer's keys cannot be fetched.",
            code=Code.ISSUER_UNAVAILABLE,
            headers=retry_after(Code.ISSUER_UNAVAILABLE, error.issuer),
        ) from None
    except TokenError as error:
        raise _refuse_token(error.reason) from None


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
    for reference in allowed:
        try:
            entry = _find_entry(reference)
        except CatalogUnavailableError:
            is_complete = False
            continue
        if entry is None or entry.is_suspended:
            continue
        names = entry.names
        if profile.may_speak_for(*names) and chosen <= names | {reference}:
            permitted[entry.tenant_id] = entry
    if len(permitted) > 1:
        raise BadRequest(
            f"The token is valid for several tenants. Choose one with {TENANT_HEADER}.",
            code=Code.TENANT_CHOICE_REQUIRED,
        )
    if not is_complete and not (chosen and permitted):
        raise control_plane_unavailable()
    if not permitted:
        raise no_access()
    return permitted.popitem()[1]


def read_identity(claims: Claims, placement: Placement) -> Identity:
    """Return the member of the current tenant that sent the token.

    Raises `Forbidden`, or `ReplicaBehindError` if a replica does not have the member.
    """
    identity = find_identity(placement, claims.iss, claims.sub)
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
            raise _refuse_token("revoked")


def current_identity() -> Identity:
    """Return the member that sends the current request."""
    identity = request_state().identity
    if identity is None:
        raise RuntimeError("The request has not been authenticated.")
    return identity


def no_access() -> Problem:
    """Return the one 403 for every tenant that is not the caller's, whether it exists or not.

    While the catalog does not answer, it is the one 503: only known tenants could get a 403 then,
    which would reveal that they exist. It also marks the request, so that the request cycle delays
    the response by a fixed time.
    """
    if catalog_reader().is_away:
        return control_plane_unavailable()
    request_state().is_stranger = True
    return Forbidden("You have no access to this tenant.", code=Code.NO_TENANT_ACCESS)


def control_plane_unavailable() -> ServiceUnavailable:
    """Return the one 503 for every tenant that cannot be looked up now."""
    request_state().is_stranger = True
    return ServiceUnavailable(
        "The control plane cannot be asked about this tenant now.",
        code=Code.CONTROL_PLANE_UNAVAILABLE,
        headers=retry_after(Code.CONTROL_PLANE_UNAVAILABLE),
    )


def invalid_token() -> Unauthorized:
    """Return the one 401 for every invalid token."""
    return Unauthorized(
        "The token is invalid.",
        code=Code.INVALID_TOKEN,
        headers={"WWW-Authenticate": 'Bearer realm="trially", error="invalid_token"'},
    )


def _refuse_token(reason: str) -> Unauthorized:
    """Tell operators the reason, in the log and the metrics, and return the one 401."""
    tokens_refused_total.labels(reason if reason in REASONS else OTHER).inc()
    current_app.logger.info("A token was rejected: %s.", reason)
    return invalid_token()


def _read_allowed(claims: Claims) -> tuple[tuple[str, ...], bool]:
    """Return the tenants that the token allows, and whether they are all known."""
    try:
        return claims.profile.resolver.references(claims.iss, claims.sub, claims.claims), True
    except CatalogUnavailableError:
        return (), False


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
    state_of(app).token_verifier = TokenVerifier(profiles)
    app.wsgi_app = TenantPrefix(app.wsgi_app)  # type: ignore[method-assign]
