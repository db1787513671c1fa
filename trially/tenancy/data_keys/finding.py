"""Find the data keys of tenants: in this process's memory, or wrapped in the catalog.

The rows of the catalog are read again as often as placements, so a rotation or a destruction is
seen within seconds. Unwrapped keys are kept longer, because a provider may be slow or away.
"""

from collections.abc import Mapping
from uuid import UUID

from flask import Flask, has_request_context
from sqlalchemy import select
from sqlalchemy.orm import Session

from trially.cache.ttl_cache import TTLCache
from trially.config import Settings
from trially.keys.data_keys import DataKey
from trially.keys.providers import (
    KeyContext,
    KeyProviderError,
    MasterKeyLostError,
    ProviderUnavailableError,
    WrappedKey,
)
from trially.state import app_state, state_of
from trially.tenancy.catalog_reader import catalog_reader
from trially.tenancy.catalog_sessions import catalog_transaction, reader_engine
from trially.tenancy.data_keys.errors import DestroyedKeyError, UnknownKeyError
from trially.tenancy.data_keys.masters import Masters, masters_of
from trially.tenancy.data_keys.model import TenantKey
from trially.tenancy.data_keys.noting import note_failed, note_unwrapped
from trially.tenancy.data_keys.wrapping import insert_first_version

CAPACITY = 20_000
"""The most tenants, and the most unwrapped keys, that a process keeps in memory."""

Versions = Mapping[int, str | None]
"""The wrapped key of each version of a tenant's data key; None for a destroyed one."""


class DataKeys:
    """The data keys that a process knows. Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self.masters: Masters = masters_of(settings)
        self._outage_seconds = settings.key_provider_outage_seconds
        self._versions: TTLCache[UUID, tuple[UUID, Versions]] = TTLCache(
            CAPACITY, settings.placement_max_age_seconds
        )
        self._unwrapped: TTLCache[tuple[UUID, int], DataKey] = TTLCache(
            CAPACITY, settings.data_key_max_age_seconds
        )

    def versions(self, tenant_id: UUID, *, fresh: bool = False) -> Versions:
        """Return the versions of a tenant's data key, in this process's memory or in the catalog.

        While the catalog does not answer, expired ones are used for as long as placements are.
        """
        cached = None if fresh else self._versions.get(tenant_id)
        if cached is None:
            reader = catalog_reader()
            expired = self._versions.get_expired(tenant_id, reader.stale_seconds)
            read = reader.ask_or_use(
                lambda: (tenant_id, _read_versions(tenant_id)),
                None if fresh else expired,
                "data_key",
            )
            if read is not expired:
                self._versions.put(tenant_id, read)
                self._forget_destroyed(*read)
            cached = read
        return cached[1]

    def key(self, tenant_id: UUID, version: int, sealed: str) -> DataKey:
        """Return an unwrapped data key, from memory or from the provider.

        A version of a data key never changes, so a key in memory stays valid if the master key
        wraps it again.

        While the provider does not answer, an expired one is used for a bounded time. A provider
        that refuses is obeyed.
        """
        known = self._unwrapped.get((tenant_id, version))
        if known is not None:
            return known
        wrapped, context = WrappedKey.parse(sealed), KeyContext(tenant_id, version)
        try:
            key = self.masters.unwrap(wrapped, context)
        except KeyProviderError as error:
            usable = self._expired(context, error)
            note_failed(error, context, expired_is_used=usable is not None)
            if usable is None:
                raise
            return usable
        note_unwrapped(wrapped, context)
        self._unwrapped.put((tenant_id, version), key)
        return key

    def _expired(self, context: KeyContext, error: Exception) -> DataKey | None:
        """Return the expired key that may be used after an error of the provider, if any."""
        if not isinstance(error, ProviderUnavailableError):
            return None
        names = context.tenant_id, context.version
        return self._unwrapped.get_expired(names, self._outage_seconds)

    def _forget_destroyed(self, tenant_id: UUID, versions: Versions) -> None:
        destroyed = {version for version, sealed in versions.items() if sealed is None}
        if destroyed:
            self._unwrapped.forget(
                lambda each: each.tenant_id == tenant_id and each.version in destroyed
            )

    def forget(self, tenant_id: UUID) -> None:
        """Drop all that this process knows of a tenant's data keys."""
        self._versions.forget(lambda each: each[0] == tenant_id)
        self._unwrapped.forget(lambda each: each.tenant_id == tenant_id)


def data_key(tenant_id: UUID) -> DataKey:
    """Return the current version of a tenant's data key.

    A tenant of an earlier version of trially has none. Commands and jobs then create it; for a
    request it is an `UnknownKeyError`. Raises `DestroyedKeyError` or a `KeyProviderError`.
    """
    keys = app_state().data_keys
    versions = keys.versions(tenant_id)
    if not versions:
        versions = keys.versions(tenant_id, fresh=True) or _create(tenant_id)
    return _unwrap(tenant_id, max(versions), versions)


def data_key_of_version(tenant_id: UUID, version: int) -> DataKey:
    """Return one version of a tenant's data key.

    Raises `UnknownKeyError`, `DestroyedKeyError` or a `KeyProviderError`.
    """
    keys = app_state().data_keys
    versions = keys.versions(tenant_id)
    if version not in versions:  # Another process may have created it since.
        versions = keys.versions(tenant_id, fresh=True)
    return _unwrap(tenant_id, version, versions)


def init_app(app: Flask, settings: Settings) -> None:
    """Give the app its data keys. No provider is contacted yet."""
    state_of(app).data_keys = DataKeys(settings)
    state_of(app).find_data_key = data_key_of_version


def _unwrap(tenant_id: UUID, version: int, versions: Versions) -> DataKey:
    """Return a version of a data key.

    If its master key is gone, the row may have been wrapped again since it was read.
    """
    keys, sealed = app_state().data_keys, _sealed(tenant_id, version, versions)
    try:
        return keys.key(tenant_id, version, sealed)
    except MasterKeyLostError:
        renewed = _sealed(tenant_id, version, keys.versions(tenant_id, fresh=True))
        if renewed == sealed:
            raise
        return keys.key(tenant_id, version, renewed)


def _sealed(tenant_id: UUID, version: int, versions: Versions) -> str:
    if version not in versions:
        raise UnknownKeyError(tenant_id, version)
    sealed = versions[version]
    if sealed is None:
        raise DestroyedKeyError(tenant_id, [version])
    return sealed


def _create(tenant_id: UUID) -> Versions:
    """Create a tenant's first data key, unless a request asks for it."""
    if has_request_context():
        raise UnknownKeyError(tenant_id)
    with catalog_transaction() as session:
        insert_first_version(session, tenant_id)
    return app_state().data_keys.versions(tenant_id, fresh=True)


def _read_versions(tenant_id: UUID) -> Versions:
    statement = select(TenantKey.version, TenantKey.sealed).where(TenantKey.tenant_id == tenant_id)
    with Session(reader_engine()) as session:
        return {row.version: row.sealed for row in session.execute(statement)}
