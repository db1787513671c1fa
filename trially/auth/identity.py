"""Authenticate a request: verify its token or API key, and find its tenant and its member."""

from collections.abc import Mapping

from flask import Flask, request

from trially.auth import sign_ins
from trially.auth.api_keys import verifying
from trially.auth.issuer_profile import IssuerProfile
from trially.auth.key_callers import read_identity_of_key, resolve_tenant_of_key
from trially.auth.members.identities import Identity
from trially.auth.organisations.verifying import organisation_audience
from trially.auth.own_issuers import verifying as own_issuers
from trially.auth.platform.verifying import platform_audience
from trially.auth.refusals import invalid_token, missing_token, unverifiable_token
from trially.auth.resolvers import SupportResolver
from trially.auth.tenant_prefix import TenantPrefix
from trially.auth.token_callers import read_identity_of_token, resolve_tenant_of_token
from trially.auth.token_errors import TokenError, UnverifiableTokenError
from trially.auth.tokens import Claims, TokenVerifier
from trially.database.placement import Placement
from trially.keys.api_keys import PREFIX, MalformedKeyError, PresentedKey, read_api_key
from trially.request_state import request_state
from trially.state import app_state, state_of
from trially.tenancy.directory import TenantEntry

Credential = Claims | PresentedKey


def read_credential() -> Credential:
    """Return the claims of the request's bearer token, or its API key, or raise `Unauthorized`.

    The log and the metrics have the reason; the response has it only in development. Raises
    `ServiceUnavailable` if the token cannot be verified now.
    """
    scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in ("", "bearer"):
        raise missing_token("wrong_scheme")
    if not scheme or not raw:
        raise missing_token("missing")
    if raw.startswith(PREFIX):
        return _read_api_key(raw)
    try:
        return app_state().token_verifier.verify(raw)
    except UnverifiableTokenError as error:
        raise unverifiable_token(error) from None
    except TokenError as error:
        raise invalid_token(error.reason) from None


def resolve_tenant(credential: Credential) -> TenantEntry:
    """Return the tenant that the request is for, or raise a `Problem`."""
    if isinstance(credential, PresentedKey):
        return resolve_tenant_of_key(credential)
    return resolve_tenant_of_token(credential)


def read_identity(credential: Credential, placement: Placement) -> Identity:
    """Return the member of the current tenant for whom a request acts.

    Raises `Forbidden` or `Unauthorized`, or `ReplicaBehindError` if a replica does not have the
    member or the key.
    """
    if isinstance(credential, PresentedKey):
        return read_identity_of_key(credential, placement)
    return read_identity_of_token(credential, placement)


def refuse_revoked(credential: Credential, entry: TenantEntry) -> None:
    """Raise `Unauthorized` if the token was issued before a revocation cut-off that applies to it.

    Call it for members only, because the 401 reveals that the tenant exists. An API key is revoked
    by its deletion.
    """
    if isinstance(credential, PresentedKey) or not entry.cut_offs:
        return
    claims = credential
    for scope in (("", ""), ("", claims.sub), (claims.iss, claims.sub)):
        if claims.iat < entry.cut_offs.get(scope, 0):
            raise invalid_token("revoked")


def current_identity() -> Identity:
    """Return the member that sends the current request."""
    identity = request_state().identity
    if identity is None:
        raise RuntimeError("The request has not been authenticated.")
    return identity


def _read_api_key(text: str) -> PresentedKey:
    try:
        return read_api_key(text)
    except MalformedKeyError:
        raise invalid_token("malformed_api_key") from None


def init_app(app: Flask, profiles: Mapping[str, IssuerProfile]) -> None:
    """Accept tokens of these issuers and of tenants' own, and none that is also for another API."""
    state = state_of(app)
    refused = (platform_audience(state.settings), organisation_audience(state.settings))
    own_issuers.init_app(app, profiles.values(), refused)
    state.token_verifier = TokenVerifier(profiles, refused_audiences=refused, own=state.own_issuers)
    state.support_resolver = SupportResolver(state.settings.placement_max_age_seconds)
    sign_ins.init_app(app)
    verifying.init_app(app, state.settings.placement_max_age_seconds)
    app.wsgi_app = TenantPrefix(app.wsgi_app)  # type: ignore[method-assign]
