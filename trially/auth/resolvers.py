"""How tokens say which tenants they are for: each issuer has its own way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from trially.cache.ttl_cache import TTLCache
from trially.tenancy.catalog import MembershipIndex, TenantConnection, reader_engine

TENANT_CLAIM = "https://trially.ai/tenant"
MAX_TENANTS = 100
"""A token that names more tenants than this names none."""

ANSWERS_KEPT = 10_000


class TenantResolver(Protocol):
    """Finds the tenants that a verified token is for."""

    def references(self, issuer: str, subject: str, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return slugs or ids of tenants, which need not exist."""


@dataclass(frozen=True)
class ClaimResolver:
    """A claim holds the tenant, or a list of them. Names after the first lead into objects."""

    path: tuple[str, ...] = (TENANT_CLAIM,)

    def references(self, _issuer: str, _subject: str, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what the claim says."""
        found: Any = claims
        for name in self.path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return _strings(found)


@dataclass(frozen=True)
class AudienceResolver:
    """Entries of `aud` name tenants, after a prefix if there is one."""

    prefix: str = ""

    def references(self, _issuer: str, _subject: str, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the entries that begin with the prefix, without it."""
        named = [entry for entry in _strings(claims["aud"]) if entry.startswith(self.prefix)]
        return tuple(entry.removeprefix(self.prefix) for entry in named)


class ConnectionResolver:
    """A claim names the connection that was signed in with, and the catalog knows whose it is."""

    def __init__(self, claim: str, max_age_seconds: float) -> None:
        self._claim = claim
        self._known: TTLCache[str, tuple[str, ...]] = TTLCache(ANSWERS_KEPT, max_age_seconds)

    def references(self, _issuer: str, _subject: str, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the tenant of the connection."""
        connection = claims.get(self._claim)
        if not isinstance(connection, str) or "\0" in connection:
            return ()
        found = self._known.get(connection)
        if found is None:
            found = _ask(
                select(TenantConnection.tenant_id).where(
                    TenantConnection.connection_id == connection
                )
            )
            self._known.put(connection, found)
        return found


class MembershipResolver:
    """The catalog knows which tenants someone is a member of."""

    def __init__(self, max_age_seconds: float) -> None:
        self._known: TTLCache[tuple[str, str], tuple[str, ...]] = TTLCache(
            ANSWERS_KEPT, max_age_seconds
        )

    def references(self, issuer: str, subject: str, _claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the tenants that (issuer, subject) is a member of."""
        found = self._known.get((issuer, subject))
        # Who is a member of nothing yet is asked for anew, so as to be let in at once.
        if not found:
            found = _ask(
                select(MembershipIndex.tenant_id)
                .where(MembershipIndex.issuer == issuer, MembershipIndex.subject == subject)
                .limit(MAX_TENANTS)
            )
            self._known.put((issuer, subject), found)
        return found


def _ask(statement: Select[UUID]) -> tuple[str, ...]:
    with Session(reader_engine()) as session:
        return tuple(str(tenant_id) for tenant_id in session.scalars(statement))


def _strings(found: object) -> tuple[str, ...]:
    entries = found if isinstance(found, list) else [found]
    if len(entries) > MAX_TENANTS or not all(isinstance(entry, str) for entry in entries):
        return ()
    return tuple(entries)
