"""Tokens of the APIs that are for no tenant: each has an audience and issuers of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from flask import request

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.refusals import invalid_token, missing_token, unverifiable_token
from trially.auth.signing_keys import RemoteKeys
from trially.auth.token_errors import TokenError, UnverifiableTokenError
from trially.auth.tokens import Claims, TokenVerifier
from trially.config import Settings

LONGEST_LIFETIME_SECONDS = 43_200.0
"""Such a token lives at most for half a day."""


def profiles_for(
    issuers: Iterable[str], audience: str, settings: Settings, built_in: IssuerProfile | None
) -> Mapping[str, IssuerProfile]:
    """Return the profile of each issuer of tokens for an audience, by the `iss` of its tokens."""
    profiles = {
        issuer: IssuerProfile(
            issuer=issuer,
            audiences=(audience,),
            algorithms=frozenset(settings.algorithms),
            types=frozenset(settings.token_types),
            keys=RemoteKeys(
                issuer,
                allow_http=settings.development,
                outage_seconds=settings.issuer_outage_seconds,
            ),
            max_lifetime_seconds=LONGEST_LIFETIME_SECONDS,
        )
        for issuer in issuers
    }
    if built_in is not None:
        profiles[built_in.issuer] = replace(built_in, audiences=(audience,))
    return profiles


def read_claims(verifier: TokenVerifier, realm: str) -> Claims:
    """Return the claims of the request's bearer token, or raise `Unauthorized`.

    Raises `ServiceUnavailable` if the token cannot be verified now.
    """
    scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in ("", "bearer"):
        raise missing_token("wrong_scheme", realm)
    if not scheme or not raw:
        raise missing_token("missing", realm)
    try:
        return verifier.verify(raw)
    except UnverifiableTokenError as error:
        raise unverifiable_token(error) from None
    except TokenError as error:
        raise invalid_token(error.reason, realm, verifier) from None
