"""Verify bearer tokens, and return their claims.

The signature is checked with joserfc's algorithm models instead of its `deserialize_compact`, which
decodes the token a second time (RS256 takes a third longer) and rejects the name `EdDSA` for a key
whose `alg` is `Ed25519`.
"""

import base64
import hashlib
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol

from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

from trially.auth.key_import import canonical_algorithm
from trially.auth.resolvers import ClaimResolver, TenantResolver
from trially.auth.signing_keys import (
    ClientKeys,
    KeysUnavailableError,
    RemoteKeys,
    UnknownClientError,
    UnknownKeyError,
)
from trially.auth.strict_json import read_object
from trially.auth.token_claims import check_times, read_audiences, read_subject
from trially.auth.token_errors import TokenError, UnverifiableTokenError
from trially.cache.ttl_cache import TTLCache

MAX_TOKEN_BYTES = 8192
MAX_KID_LENGTH = 255
HEADER_NAMES = frozenset({"alg", "typ", "kid"})
IGNORED_HEADER_NAMES = frozenset({"x5t", "x5t#S256", "cty"})
"""Headers that real issuers send and that have no effect. Their values are strings.

No header says where a key is: tokens with `jwk`, `jku`, `x5c` or `x5u` are rejected. So are those
with `crit` and with any other name.
"""

__all__ = [
    "HEADER_NAMES",
    "Claims",
    "IssuerProfile",
    "KeySource",
    "TokenError",
    "TokenVerifier",
    "verify_token",
]

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z")
"""The id of a machine client. It becomes part of a URL, so it must not change the URL's path."""


class KeySource(Protocol):
    """The keys of one issuer."""

    def key(self, kid: str) -> Key:
        """Return the public key with this `kid`, which has an `alg`.

        Raises `UnknownKeyError`, or `KeysUnavailableError` if that cannot be decided now.
        """

    def are_available(self) -> bool:
        """Return whether the issuer's keys are cached, or can be fetched now."""


@dataclass(frozen=True)
class IssuerProfile:
    """A trusted issuer and the tokens that are accepted from it. It comes from settings only."""

    issuer: str
    """The value of `iss`. For machine clients, the part of `iss` before the client's id."""

    audiences: tuple[str, ...]
    """The accepted values of `aud`."""

    keys: KeySource
    algorithms: frozenset[str] = frozenset({"RS256", "ES256", "EdDSA", "Ed25519"})
    types: frozenset[str] = frozenset({"at+jwt", "application/at+jwt"})
    """The accepted values of the header `typ`. ID tokens and logout tokens have others, or none."""

    recorded_as: str | None = None
    """The issuer's name in members and revocations, if that is not `issuer`."""

    leeway_seconds: float = 30
    max_lifetime_seconds: float = 86_400

    resolver: TenantResolver = field(default_factory=ClaimResolver)
    """Finds the tenants that its tokens are for."""

    tenants: frozenset[str] | None = None
    """Slugs or ids of the tenants that its tokens may be for. None allows all tenants."""

    client_keys: ClientKeys | None = None
    """The keys of machine clients that sign their own tokens. None for an issuer of people."""

    def may_speak_for(self, *names: str) -> bool:
        """Return whether the issuer's tokens may be for the tenant with these names."""
        return self.tenants is None or not self.tenants.isdisjoint(names)


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


def verify_token(raw: str, profiles: Mapping[str, IssuerProfile]) -> Claims:
    """Return the claims of a token, or raise `TokenError` and no other error.

    `iss` chooses one of `profiles`. The signature is checked last. So a token that is invalid in
    any case is rejected also while its issuer's keys cannot be fetched, and causes no fetch.
    """
    signing_input, header, payload, signature = _take_apart(raw)
    profile = _find_profile(payload.get("iss"), profiles)
    kid = _read_header(header, profile.types)
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
        capacity: int = 10_000,
        keep_seconds: float = 60,
    ) -> None:
        self._profiles = profiles
        # `exp` is wall-clock time, so the cache uses the same clock.
        self._valid: TTLCache[bytes, Claims] = TTLCache(capacity, keep_seconds, clock=time.time)

    def verify(self, raw: str) -> Claims:
        """Return the claims of a token, or raise `TokenError`."""
        if len(raw) > MAX_TOKEN_BYTES:
            raise TokenError("too_large")
        digest = hashlib.sha256(raw.encode("utf-8", "surrogatepass")).digest()
        claims = self._valid.get(digest)
        if claims is None:
            claims = verify_token(raw, self._profiles)
            self._valid.put(digest, claims, ends=claims.exp)
        return claims

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


def _take_apart(raw: str) -> tuple[bytes, dict[str, Any], dict[str, Any], bytes]:
    """Return the signing input, the header, the payload and the signature of a token."""
    if len(raw) > MAX_TOKEN_BYTES:
        raise TokenError("too_large")
    segments = raw.split(".")
    if len(segments) != 3 or not all(segments):
        raise TokenError("malformed")
    try:
        header, payload, signature = map(_decode_segment, segments)
        signing_input = raw.rpartition(".")[0].encode("ascii")
        return signing_input, read_object(header), read_object(payload), signature
    except ValueError:
        raise TokenError("malformed") from None


def _decode_segment(segment: str) -> bytes:
    """Decode canonical base64url, or raise `ValueError`.

    Decoders skip stray characters and ignore unused bits, so one token would have many encodings.
    """
    encoded = segment.encode("ascii")
    decoded = base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != encoded:
        raise ValueError("The segment is not canonical base64url.")
    return decoded


def _read_header(header: dict[str, Any], types: Collection[str]) -> str:
    """Return the `kid` of a header, after checking the rest of it except `alg`.

    `types` are the accepted values of `typ`.
    """
    if _media_type(header.get("typ")) not in map(_media_type, types):
        raise TokenError("wrong_type")
    if not header.keys() <= HEADER_NAMES | IGNORED_HEADER_NAMES:
        raise TokenError("unknown_header")
    if not all(isinstance(header.get(name, ""), str) for name in IGNORED_HEADER_NAMES):
        raise TokenError("bad_header")
    kid = header.get("kid")
    if not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID_LENGTH or not kid.isprintable():
        raise TokenError("bad_kid")
    return kid


def _media_type(name: object) -> str:
    """Return the one spelling of a media type, or an empty string if it is none.

    Media types are case-insensitive, and `typ` may leave out `application/` (RFC 7515, 4.1.9).
    """
    if not isinstance(name, str) or not name.isascii():
        return ""
    return name.lower().removeprefix("application/")


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
