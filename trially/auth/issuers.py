"""Read the trusted issuers from the settings."""

from collections.abc import Mapping

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.profiles import SETTING, read_profiles
from trially.auth.resolvers import ClaimResolver
from trially.auth.signing_keys import RemoteKeys
from trially.config import Settings, SettingsError


def trusted_issuers(
    settings: Settings, built_in: IssuerProfile | None
) -> Mapping[str, IssuerProfile]:
    """Return the profile of each trusted issuer, by the `iss` of its tokens."""
    profiles = {
        issuer: IssuerProfile(
            issuer=issuer,
            audiences=settings.audiences,
            algorithms=frozenset(settings.algorithms),
            types=frozenset(settings.token_types),
            keys=RemoteKeys(
                issuer,
                allow_http=settings.development,
                outage_seconds=settings.issuer_outage_seconds,
            ),
            resolver=ClaimResolver((settings.tenant_claim,)),
        )
        for issuer in settings.issuers
    }
    if settings.issuer_profiles is not None:
        for profile in read_profiles(settings.issuer_profiles, settings):
            if profile.issuer in profiles:
                raise SettingsError(
                    f"{SETTING}: {settings.issuer_profiles} has a second profile of"
                    f" {profile.issuer!r}. Keep one, here or in TRIALLY_ISSUERS."
                )
            profiles[profile.issuer] = profile
    if built_in is not None:
        profiles[built_in.issuer] = built_in
    return profiles
