"""What is known of a trusted issuer, and which of its tokens are accepted."""

from dataclasses import dataclass, field
from typing import Protocol

from joserfc.jwk import Key

from trially.auth.resolvers import ClaimResolver, TenantResolver
from trially.auth.signing_keys import ClientKeys
from trially.tenancy.own_issuers import OwnIssuer


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
    """A trusted issuer and the tokens that are accepted from it.

    It comes from settings, or it is a tenant's own issuer, whose tokens are for that tenant alone.
    """

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

    own: OwnIssuer | None = None
    """The tenant's own issuer that this is. None for an issuer that operators trust."""

    client_keys: ClientKeys | None = None
    """The keys of machine clients that sign their own tokens. None for an issuer of people."""

    def may_speak_for(self, *names: str) -> bool:
        """Return whether the issuer's tokens may be for the tenant with these names."""
        return self.tenants is None or not self.tenants.isdisjoint(names)
