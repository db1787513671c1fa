"""Verify the tokens of issuers that tenants have registered for themselves.

The audience of such a token names the tenant, as the text of an API key does. So the tenant's entry
of the directory says whether the issuer counts, and every process knows a change within 5 seconds.
"""

import time
from collections.abc import Collection
from functools import partial

from flask import Flask

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.own_issuers.audiences import (
    SeveralAudiencesError,
    audience_of,
    read_audience,
)
from trially.auth.own_issuers.bounds import Bounds, Recent
from trially.auth.own_issuers.reserved import ReservedIssuers
from trially.auth.rate_limit import RateLimit
from trially.auth.remote_keys import RemoteKeys
from trially.auth.resolvers import FixedResolver
from trially.auth.token_errors import TokenError, UnverifiableTokenError
from trially.auth.tokens import Claims, verify_token
from trially.cache.ttl_cache import TTLCache
from trially.config import Settings
from trially.state import app_state, state_of
from trially.tenancy.catalog_reader import CatalogUnavailableError, catalog_reader
from trially.tenancy.directory import TenantEntry, UnknownTenantError, directory
from trially.tenancy.own_issuers import OwnIssuer

MOST_KEYS = 50
"""Keys that an issuer of a tenant may publish."""

MOST_ISSUERS = 1_000
"""Issuers whose keys a process keeps. The one used longest ago is dropped."""

FAMILIAR_SECONDS = 3600.0
STRANGE_AT_ONCE, SECONDS_BETWEEN_STRANGE = 60, 1.0
"""How many audiences that prove unknown are looked up: anonymous callers can invent them."""

FRESH_SECONDS = 600.0
"""How old the token that proves the control of an issuer may be."""

_ANY = "issuers of tenants"
"""Stands for an issuer that was not looked up: the caller has chosen its name."""


class OwnIssuers:
    """The issuers that tenants have registered for themselves, as one process knows them."""

    def __init__(
        self, settings: Settings, reserved: ReservedIssuers, refused_audiences: Collection[str]
    ) -> None:
        self.reserved = reserved
        self.bounds = Bounds()
        self._settings = settings
        self._refused_audiences = frozenset(refused_audiences)
        self._keys: Recent[RemoteKeys] = Recent(MOST_ISSUERS)
        self._familiar: TTLCache[str, str] = TTLCache(MOST_ISSUERS, FAMILIAR_SECONDS)
        self._strange = RateLimit(STRANGE_AT_ONCE, SECONDS_BETWEEN_STRANGE)

    def find(self, issuer: object, audience: object) -> IssuerProfile:
        """Return the profile of an issuer, for the tenant that the audience names.

        Raises `TokenError` if the tenant has no such issuer, or `UnverifiableTokenError` if that
        cannot be looked up now. Neither says whether the tenant exists.
        """
        try:
            named = read_audience(audience)
        except SeveralAudiencesError:
            raise TokenError("two_audiences") from None
        is_off = self._settings.own_issuers_per_tenant == 0
        if named is None or is_off or not isinstance(issuer, str):
            raise TokenError("unknown_issuer")
        text = audience_of(named.tenant_id, named.issuer_id)
        if not self._familiar.get(text) and not self._strange.permits():
            raise UnverifiableTokenError(_ANY)
        entry = _find_entry(str(named.tenant_id))
        own = entry.own_issuers.get(named.issuer_id) if entry is not None else None
        if own is None or own.issuer != issuer or self.reserved.why(issuer) is not None:
            if catalog_reader().is_away:
                raise UnverifiableTokenError(_ANY)
            self._strange.take()
            raise TokenError("unknown_issuer")
        self._familiar.put(text, text)
        return self.profile_of(own)

    def is_current(self, profile: IssuerProfile) -> bool:
        """Return whether the tenant still has the issuer of a profile, unchanged.

        Raises `UnverifiableTokenError`.
        """
        own = profile.own
        entry = _find_entry(str(own.tenant_id)) if own is not None else None
        return own is not None and entry is not None and entry.own_issuers.get(own.id) == own

    def profile_of(self, own: OwnIssuer) -> IssuerProfile:
        """Return the profile of an issuer, whether its tokens count or not."""
        return IssuerProfile(
            issuer=own.issuer,
            audiences=(audience_of(own.tenant_id, own.id),),
            keys=self._keys.of(own.id, partial(self._remote_keys, own)),
            algorithms=frozenset(self._settings.algorithms),
            types=frozenset(self._settings.token_types),
            max_lifetime_seconds=own.max_lifetime_seconds,
            resolver=FixedResolver(own.tenant_id),
            tenants=frozenset({str(own.tenant_id)}),
            own=own,
        )

    def profile_named(self, entry: TenantEntry, issuer: str | None) -> IssuerProfile | None:
        """Return the profile of an issuer of this name that counts for a tenant, or None."""
        found = (each for each in entry.own_issuers.values() if each.issuer == issuer)
        own = next(found, None) if self._settings.own_issuers_per_tenant else None
        if own is None or self.reserved.why(own.issuer) is not None:
            return None
        return self.profile_of(own)

    def verify_proof(self, own: OwnIssuer, raw: str) -> Claims:
        """Return the claims of a token that the issuer has signed for the tenant just now.

        The issuer need not count yet. Raises `TokenError`; its reason is `too_old` for a token
        that was issued more than 10 minutes ago.
        """
        claims = verify_token(raw, {own.issuer: self.profile_of(own)})
        try:
            read_audience(list(claims.aud))
        except SeveralAudiencesError:
            raise TokenError("two_audiences") from None
        if not self._refused_audiences.isdisjoint(claims.aud):
            raise TokenError("two_audiences")
        if claims.iat < time.time() - FRESH_SECONDS:
            raise TokenError("too_old")
        return claims

    def _remote_keys(self, own: OwnIssuer) -> RemoteKeys:
        bounds = self.bounds.of(own.tenant_id)
        return RemoteKeys(
            own.issuer,
            allow_http=self._settings.development,
            outage_seconds=self._settings.issuer_outage_seconds,
            places=bounds.waiting,
            fetches=bounds.fetches,
            public_only=True,
            most_keys=MOST_KEYS,
        )


def own_issuers() -> OwnIssuers:
    """Return what this process knows of the issuers that tenants have registered."""
    return app_state().own_issuers


def _find_entry(reference: str) -> TenantEntry | None:
    try:
        return directory().find(reference)
    except UnknownTenantError:
        return None
    except CatalogUnavailableError:
        raise UnverifiableTokenError(_ANY) from None


def init_app(
    app: Flask, profiles: Collection[IssuerProfile], refused_audiences: Collection[str]
) -> None:
    """Let tenants register issuers, except those of `profiles` and of this back end."""
    settings = state_of(app).settings
    others = (*settings.platform_issuers, *settings.organisation_issuers)
    reserved = ReservedIssuers(profiles, others, settings.public_url)
    state_of(app).own_issuers = OwnIssuers(settings, reserved, refused_audiences)
