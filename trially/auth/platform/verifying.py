"""Verify the tokens of the platform API, which has an audience and trusted issuers of its own."""

from collections.abc import Collection, Mapping

from flask import Flask

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.plane_tokens import profiles_for, read_claims
from trially.auth.tokens import Claims, TokenVerifier
from trially.config import Settings, SettingsError
from trially.state import app_state, state_of

REALM = "trially-platform"


def platform_issuers(
    settings: Settings, built_in: IssuerProfile | None
) -> Mapping[str, IssuerProfile]:
    """Return the profile of each issuer of operators' tokens, by the `iss` of its tokens."""
    audience = platform_audience(settings)
    return profiles_for(settings.platform_issuers, audience, settings, built_in)


def platform_audience(settings: Settings) -> str:
    """Return the `aud` of operators' tokens. No token of a tenant's member has it."""
    return settings.platform_audience or f"{settings.audiences[0]}/platform"


def read_platform_claims() -> Claims:
    """Return the claims of the request's bearer token, or raise `Unauthorized`.

    Raises `ServiceUnavailable` if the token cannot be verified now.
    """
    return read_claims(app_state().platform_verifier, REALM)


def init_app(
    app: Flask,
    tenants_issuers: Mapping[str, IssuerProfile],
    operators_issuers: Mapping[str, IssuerProfile],
    refused_audiences: Collection[str],
) -> None:
    """Accept operators' tokens of these issuers only, and none that is also for another API.

    Raises `SettingsError` if an issuer of tenants has the audience of the platform.
    """
    audience = platform_audience(state_of(app).settings)
    tenants = {one for profile in tenants_issuers.values() for one in profile.audiences}
    if audience in tenants:
        raise SettingsError(
            f"The audience of the platform API, {audience!r}, is one of tenants' tokens too. Set"
            " TRIALLY_PLATFORM_AUDIENCE to another value."
        )
    state_of(app).platform_verifier = TokenVerifier(
        operators_issuers, refused_audiences=tenants.union(refused_audiences)
    )
