"""Find the tenants that a token is for. Each issuer has a resolver."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from trially.cache.ttl_cache import Key, TTLCache
from trially.tenancy.catalog import InvitationIndex, MembershipIndex, TenantConnection
from trially.tenancy.catalog_reader import CatalogUnavailableError, catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.operators.model import support_access

TENANT_CLAIM = "https://trially.ai/tenant"
MAX_TENANTS = 100
"""A token that names more tenants is treated as if it named none."""

CACHE_CAPACITY = 10_000


class TenantResolver(Protocol):
    """Finds the tenants that a verified token is for."""

    def references(self, issuer: str, subject: str, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return slugs or ids of tenants, which need not exist."""


@dataclass(frozen=True)
class ClaimResolver:
    """Reads tenants from a claim: one name or a list. `path` leads into nested objects."""

    path: tuple[str, ...] = (TENANT_CLAIM,)

    def references(self, _issuer: str, _subject: str, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the tenants in the claim."""
        value: Any = claims
        for name in self.path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return _strings(value)


@dataclass(frozen=True)
class AudienceResolver:
    """Reads tenants from the entries of `aud` that begin with `prefix`."""

    prefix: str = ""

    def references(self, _issuer: str, _subject: str, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the entries that begin with the prefix, without the prefix."""
        entries = [entry for entry in _strings(claims["aud"]) if entry.startswith(self.prefix)]
        return tuple(entry.removeprefix(self.prefix) for entry in entries)


@dataclass(frozen=True)
class FixedResolver:
    """Names one tenant, whatever the claims say."""

    tenant_id: UUID

    def references(
        self, _issuer: str, _subject: str, _claims: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """Return the id of the tenant."""
        return (str(self.tenant_id),)


class ConnectionResolver:
    """Maps the identity provider's connection in a claim to a tenant, as the catalog says."""

    def __init__(self, claim: str, max_age_seconds: float) -> None:
        self._claim = claim
        self._cache: TTLCache[str, tuple[str, ...]] = TTLCache(CACHE_CAPACITY, max_age_seconds)

    def references(self, _issuer: str, _subject: str, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the tenant of the connection."""
        connection = claims.get(self._claim)
        if not isinstance(connection, str) or "\0" in connection:
            return ()

        def find() -> Select[UUID]:
            return select(TenantConnection.tenant_id).where(
                TenantConnection.connection_id == connection
            )

        return _find_tenant_ids(find, self._cache, connection, "connection")


class MembershipResolver:
    """Finds the tenants of which the subject is a member, in the catalog's member index."""

    def __init__(self, max_age_seconds: float) -> None:
        self._cache: TTLCache[tuple[str, str], tuple[str, ...]] = TTLCache(
            CACHE_CAPACITY, max_age_seconds
        )

    def references(self, issuer: str, subject: str, _claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the tenants that (issuer, subject) is a member of."""

        def find() -> Select[UUID]:
            return (
                select(MembershipIndex.tenant_id)
                .where(MembershipIndex.issuer == issuer, MembershipIndex.subject == subject)
                .limit(MAX_TENANTS)
            )

        return _find_tenant_ids(find, self._cache, (issuer, subject), "membership")


class SupportResolver:
    """Finds the tenants that an operator may enter with a support grant.

    While the catalog does not answer there are none: a grant must end at once.
    """

    def __init__(self, max_age_seconds: float) -> None:
        self._cache: TTLCache[tuple[str, str], tuple[str, ...]] = TTLCache(
            CACHE_CAPACITY, max_age_seconds
        )

    def references(self, issuer: str, subject: str) -> tuple[str, ...]:
        """Return the tenants for which (issuer, subject) has an active grant."""
        key, access, reader = (issuer, subject), support_access.c, catalog_reader()
        tenant_ids = self._cache.get(key)
        if tenant_ids or reader.is_away:
            return tenant_ids or ()
        statement = select(access.tenant_id).where(
            access.issuer == issuer, access.subject == subject
        )
        try:
            tenant_ids = reader.ask(lambda: _query(statement))
        except CatalogUnavailableError:
            return ()
        self._cache.put(key, tenant_ids)
        return tenant_ids


def is_indexed(issuer: str, subject: str, tenant_id: UUID) -> bool:
    """Return whether the catalog's index names a member of a tenant; False without an answer."""
    return _is_in(MembershipIndex, issuer, subject, tenant_id)


def is_invited(issuer: str, subject: str, tenant_id: UUID) -> bool:
    """Return whether the catalog says that a tenant has invited somebody."""
    return _is_in(InvitationIndex, issuer, subject, tenant_id)


def _is_in(
    index: type[MembershipIndex | InvitationIndex], issuer: str, subject: str, tenant_id: UUID
) -> bool:
    statement = select(index.tenant_id).where(
        index.issuer == issuer, index.subject == subject, index.tenant_id == tenant_id
    )
    try:
        return bool(catalog_reader().ask(lambda: _query(statement)))
    except CatalogUnavailableError:
        return False


class MemberLookup:
    """Looks up whether a machine client is a member of any tenant."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __call__(self, client_id: str) -> bool | None:
        """Return whether the catalog's member index has the client; None if it cannot be asked."""
        statement = select(MembershipIndex.tenant_id).where(
            MembershipIndex.issuer == self._prefix + client_id,
            MembershipIndex.subject == client_id,
        )
        try:
            return bool(catalog_reader().ask(lambda: _query(statement.limit(1))))
        except CatalogUnavailableError:
            return None


def _find_tenant_ids(
    statement: Callable[[], Select[UUID]],
    cache: TTLCache[Key, tuple[str, ...]],
    key: Key,
    kind: str,
) -> tuple[str, ...]:
    """Return tenants from a cache, or read them from the catalog; expired ones while it is away.

    An empty result is always read again, so that a subject is admitted as soon as it is a member.
    """
    reader = catalog_reader()

    def read() -> tuple[str, ...]:
        tenant_ids = _query(statement())
        cache.put(key, tenant_ids)
        return tenant_ids

    tenant_ids = cache.get(key)
    if tenant_ids:
        if cache.is_due(key):
            reader.renew_early(read)
        return tenant_ids
    return reader.ask_or_use(read, cache.get_expired(key, reader.stale_seconds), kind)


def _query(statement: Select[UUID]) -> tuple[str, ...]:
    with Session(reader_engine()) as session:
        return tuple(str(tenant_id) for tenant_id in session.scalars(statement))


def _strings(value: object) -> tuple[str, ...]:
    entries = value if isinstance(value, list) else [value]
    if len(entries) > MAX_TENANTS or not all(isinstance(entry, str) for entry in entries):
        return ()
    return tuple(entries)
