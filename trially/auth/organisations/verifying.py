"""Verify the tokens of people of organisations, which have an audience of their own."""

from collections.abc import Collection, Mapping

from flask import Flask

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.plane_tokens import profiles_for, read_claims
from trially.auth.tokens import Claims, TokenVerifier
from trially.config import Settings, SettingsError
from trially.state import app_state, state_of

REALM = "trially-organisations"


def organisation_issuers(
    settings: Settings, built_in: IssuerProfile | None
) -> Mapping[str, IssuerProfile]:
    """Return the profile of each issuer of such tokens, by the `iss` of its tokens."""
    audience = organisation_audience(settings)
    return profiles_for(settings.organisation_issuers, audience, settings, built_in)


def organisation_audience(settings: Settings) -> str:
    """Return the `aud` of the tokens. No token of a member or of an operator has it."""
    return settings.organisation_audience or f"{settings.audiences[0]}/organisations"


def read_organisation_claims() -> Claims:
    """Return the claims of the request's bearer token, or raise `Unauthorized`.

    Raises `ServiceUnavailable` if the token cannot be verified now.
    """
    return read_claims(app_state().organisation_verifier, REALM)


def init_app(
    app: Flask, issuers: Mapping[str, IssuerProfile], refused_audiences: Collection[str]
) -> None:
    """Accept tokens of these issuers only, and none that is also for another API.

    Raises `SettingsError` if the audience is that of another API.
    """
    audience = organisation_audience(state_of(app).settings)
    if audience in refused_audiences:
        raise SettingsError(
            f"The audience of people of organisations, {audience!r}, is that of another API too."
            " Set TRIALLY_ORGANISATION_AUDIENCE to another value."
        )
    state_of(app).organisation_verifier = TokenVerifier(
        issuers, refused_audiences=refused_audiences
    )
