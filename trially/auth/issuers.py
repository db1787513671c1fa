"""The issuers that this installation trusts, from its settings."""

from collections.abc import Mapping

from trially.auth.dev_issuer import DevIssuer
from trially.auth.signing_keys import RemoteKeys
from trially.auth.tokens import IssuerProfile
from trially.config import Settings


def trusted_issuers(settings: Settings, built_in: DevIssuer | None) -> Mapping[str, IssuerProfile]:
    """Return the profile of each trusted issuer, by the `iss` of its tokens."""
    profiles = {
        issuer: IssuerProfile(
            issuer=issuer,
            audiences=settings.audiences,
            algorithms=frozenset(settings.algorithms),
            types=frozenset(settings.token_types),
            keys=RemoteKeys(issuer, allow_http=settings.development),
        )
        for issuer in settings.issuers
    }
    if built_in is not None:
        profiles[built_in.url] = built_in.profile()
    return profiles
