"""Verify bearer tokens, and return their claims.

The signature is checked with joserfc's algorithm models instead of its `deserialize_compact`, which
decodes the token a second time (RS256 takes a third longer) and rejects the name `EdDSA` for a key
whose `alg` is `Ed25519`.
"""

import hashlib
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

from trially.auth.issuer_profile import IssuerProfile, KeySource
from trially.auth.key_import import canonical_algorithm
from trially.auth.signing_keys import (
    KeysUnavailableError,
    RemoteKeys,
    UnknownClientError,
    UnknownKeyError,
)
from trially.auth.token_claims import check_times, read_audiences, read_subject
from trially.auth.token_encoding import MAX_TOKEN_BYTES, read_header, take_apart
from trially.auth.token_errors import TokenError, UnverifiableTokenError
from trially.cache.ttl_cache import TTLCache

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z")
"""The id of a machine client. It becomes part of a URL, so it must not change the URL's path."""


@dataclass(frozen=True)
class Claims:
    """The claims of a verified token. `sub` is unique only together with `iss`."""

    iss: str
    """The issuer as members and revocations record it."""

    sub: str
    aud: tuple[str, ...]
    iat: float
    exp: float
    profile: IssuerProfile
    """The issuer's profile. For a machine client, `issuer` and `keys` are the client's own."""

    claims: Mapping[str, Any]
    """All claims, unchanged. The mapping is read-only, because requests share it."""


class UntrustedIssuerError(ValueError):
    """No profile accepts tokens of this issuer."""


class OwnProfiles(Protocol):
    """The profiles of issuers that tenants have registered for themselves."""

    def find(self, issuer: object, audience: object) -> IssuerProfile:
        """Return the profile of an issuer, for the tenant that the audience names.

        Raises `TokenError` if the tenant has no such issuer, or `UnverifiableTokenError` if that
        cannot be looked up now.
        """

    def is_current(self, profile: IssuerProfile) -> bool:
        """Return whether the tenant still has the issuer of a profile, unchanged.

        Raises `UnverifiableTokenError`.
        """


def verify_token(
    raw: str, profiles: Mapping[str, IssuerProfile], own: OwnProfiles | None = None
) -> Claims:
    """Return the claims of a token, or raise `TokenError` and no other error.

    `iss` chooses one of `profiles`, or else of the profiles `own`. The signature is checked last.
    So a token that is invalid in any case is rejected also while its issuer's keys cannot be
    fetched, and causes no fetch.
    """
    signing_input, header, payload, signature = take_apart(raw)
    profile = _choose_profile(payload, profiles, own)
    kid = read_header(header, profile.types)
    _check_algorithm(header.get("alg"), profile)
    issued_at, expires_at = check_times(
        payload, profile.leeway_seconds, profile.max_lifetime_seconds
    )
    audiences = read_audiences(payload.get("aud"), profile.audiences)
    subject = read_subject(payload.get("sub"))
    if profile.client_keys is not None and profile.issuer.rpartition("/")[2] != subject:
        raise TokenError("bad_subject")
    keys, key = _find_key(profile, subject, kid, issued_at)
    _check_signature(header.get("alg"), key, signing_input, signature, profile)
    return Claims(
        iss=profile.recorded_as or profile.issuer,
        aud=audiences,
        sub=subject,
        iat=issued_at,
        exp=expires_at,
        profile=profile if keys is profile.keys else replace(profile, keys=keys),
        claims=MappingProxyType(payload),
    )


class TokenVerifier:
    """Verifies tokens, and caches valid ones for `keep_seconds`.

    A withdrawn key is therefore accepted for that much longer. Suspensions and revocations are not
    affected, because the caller checks them with each request.
    """

    def __init__(
        self,
        profiles: Mapping[str, IssuerProfile],
        *,
        refused_audiences: Collection[str] = (),
        own: OwnProfiles | None = None,
        capacity: int = 10_000,
        keep_seconds: float = 60,
    ) -> None:
        self._profiles = profiles
        self._refused_audiences = frozenset(refused_audiences)
        """Audiences of the other plane. A token of both is one of neither."""

        self._own = own
        # `exp` is wall-clock time, so the cache uses the same clock.
        self._valid: TTLCache[bytes, Claims] = TTLCache(capacity, keep_seconds, clock=time.time)

    def verify(self, raw: str) -> Claims:
        """Return the claims of a token, or raise `TokenError`."""
        if len(raw) > MAX_TOKEN_BYTES:
            raise TokenError("too_large")
        digest = hashlib.sha256(raw.encode("utf-8", "surrogatepass")).digest()
        claims = self._valid.get(digest)
        if claims is None or not self._is_current(claims.profile):
            claims = verify_token(raw, self._profiles, self._own)
            if not self._refused_audiences.isdisjoint(claims.aud):
                raise TokenError("two_audiences")
            self._valid.put(digest, claims, ends=claims.exp)
        return claims

    def _is_current(self, profile: IssuerProfile) -> bool:
        """Return whether a profile still holds. That of an operator's issuer holds in any case."""
        return profile.own is None or (self._own is not None and self._own.is_current(profile))

    def first_issuer(self) -> str | None:
        """Return the first trusted issuer of people's tokens, or None if there is none."""
        issuers = (p.issuer for p in self._profiles.values() if p.client_keys is None)
        return next(issuers, None)

    def issuers(self) -> tuple[str, ...]:
        """Return the trusted issuers, and the prefixes of machine clients' own issuers."""
        return tuple(self._profiles)

    def audiences(self) -> tuple[str, ...]:
        """Return the audiences that any issuer's tokens may have."""
        return tuple(dict.fromkeys(one for p in self._profiles.values() for one in p.audiences))

    def profile_of(self, issuer: str | None) -> IssuerProfile:
        """Return the profile of an issuer, or raise `UntrustedIssuerError`."""
        try:
            return _find_profile(issuer, self._profiles)
        except TokenError:
            raise UntrustedIssuerError from None

    def recorded_name(self, issuer: str) -> str:
        """Return the name under which an issuer's members and revocations are recorded."""
        profile = self._profiles.get(issuer)
        return (profile.recorded_as if profile else None) or issuer

    def current_name(self, recorded: str) -> str:
        """Return the `iss` of an issuer's tokens, by the name that its members are recorded by."""
        names = (p.issuer for p in self._profiles.values() if p.recorded_as == recorded)
        return next(names, recorded)

    def available_keys(self) -> tuple[int, int]:
        """Return how many issuers have keys that are cached or can be fetched now, and all."""
        sources = [profile.keys for profile in self._profiles.values()]
        remote = [keys for keys in sources if isinstance(keys, RemoteKeys)]
        return sum(keys.are_available() for keys in remote), len(remote)


def _choose_profile(
    payload: Mapping[str, Any], profiles: Mapping[str, IssuerProfile], own: OwnProfiles | None
) -> IssuerProfile:
    """Return the profile of a token. An issuer that operators trust is never a tenant's own."""
    try:
        return _find_profile(payload.get("iss"), profiles)
    except TokenError:
        if own is None:
            raise
    return own.find(payload.get("iss"), payload.get("aud"))


def _find_profile(issuer: object, profiles: Mapping[str, IssuerProfile]) -> IssuerProfile:
    if not isinstance(issuer, str):
        raise TokenError("unknown_issuer")
    profile = profiles.get(issuer)
    if profile is not None and profile.issuer == issuer and profile.client_keys is None:
        return profile
    return _find_client_profile(issuer, profiles)


def _find_client_profile(issuer: str, profiles: Mapping[str, IssuerProfile]) -> IssuerProfile:
    """Return the profile of a machine client, whose `iss` is a trusted prefix and its own id."""
    path, slash, client_id = issuer.rpartition("/")
    profile = profiles.get(path + slash)
    if profile is None or profile.client_keys is None or not _CLIENT_ID.match(client_id):
        raise TokenError("unknown_issuer")
    return replace(profile, issuer=issuer)


def _find_key(
    profile: IssuerProfile, subject: str, kid: str, issued_at: float
) -> tuple[KeySource, Key]:
    """Return the keys of an issuer, or of the machine client that is the subject, and one key."""
    clients = profile.client_keys
    issuer = profile.issuer if clients is None else profile.issuer.removesuffix(subject)
    try:
        keys: KeySource = profile.keys if clients is None else clients.of(subject)
        return keys, keys.key(kid)
    except KeysUnavailableError:
        raise UnverifiableTokenError(issuer) from None
    except UnknownClientError:
        raise TokenError("unknown_client") from None
    except UnknownKeyError as error:
        # `iat` counts whole seconds, so the token may have been signed until a second later.
        if issued_at + 1 > error.as_of:
            raise UnverifiableTokenError(issuer) from None
        raise TokenError("unknown_key") from None
    except LookupError:
        raise TokenError("unknown_key") from None


def _check_algorithm(algorithm: object, profile: IssuerProfile) -> str:
    """Return the one name of an algorithm that the profile accepts."""
    name = canonical_algorithm(algorithm) if isinstance(algorithm, str) else ""
    if name not in map(canonical_algorithm, profile.algorithms):
        raise TokenError("wrong_algorithm")
    return name


def _check_signature(
    algorithm: object, key: Key, signing_input: bytes, signature: bytes, profile: IssuerProfile
) -> None:
    """Check the signature with the key's own algorithm, which the token's `alg` must equal."""
    name = _check_algorithm(key.alg, profile)
    if _check_algorithm(algorithm, profile) != name:
        raise TokenError("wrong_algorithm")
    try:
        model = JWSRegistry.algorithms[name]
        model.check_key(key)
        is_valid = model.verify(signing_input, signature, key)
    except Exception:  # noqa: BLE001  any error of the libraries means an invalid signature
        is_valid = False
    if not is_valid:
        raise TokenError("bad_signature")
