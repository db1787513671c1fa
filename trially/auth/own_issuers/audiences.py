"""The audience that trially gives each issuer of a tenant. It names the tenant and the issuer.

Only who administers an issuer can make it sign tokens for an audience of this form. So a token that
has it is the proof of control, and no token of another application has it.
"""

import re
from dataclasses import dataclass
from uuid import UUID

PREFIX = "urn:trially:"

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_AUDIENCE = re.compile(rf"{PREFIX}tenant:({_UUID}):issuer:({_UUID})\Z")


@dataclass(frozen=True)
class Named:
    """The tenant and the issuer that an audience names. Neither need exist."""

    tenant_id: UUID
    issuer_id: UUID


class SeveralAudiencesError(ValueError):
    """A token is for several issuers of tenants at once."""


def audience_of(tenant_id: UUID, issuer_id: UUID) -> str:
    """Return the audience that tokens of an issuer have for a tenant."""
    return f"{PREFIX}tenant:{tenant_id}:issuer:{issuer_id}"


def read_audience(audience: object) -> Named | None:
    """Return what the claim `aud` of a token names, or None if it names no issuer of a tenant.

    Raises `SeveralAudiencesError` for a token that more than one tenant or issuer could accept.
    """
    entries = audience if isinstance(audience, list) else [audience]
    ours = {each for each in entries if isinstance(each, str) and each.startswith(PREFIX)}
    if len(ours) > 1:
        raise SeveralAudiencesError
    match = _AUDIENCE.match(ours.pop()) if ours else None
    return None if match is None else Named(UUID(match[1]), UUID(match[2]))
