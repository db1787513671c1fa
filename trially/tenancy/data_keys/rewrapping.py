"""Wrap data keys again: with a new version of the master key, or with that of another provider.

The data keys themselves stay the same, so nothing that they encrypt changes. The wrapped keys in
the catalog show what remains, so a run that was killed is continued by the next one.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update

from trially.errors import OperatorError
from trially.keys.providers import (
    KeyContext,
    KeyProviderError,
    MasterKeyRefusedError,
    ProviderUnavailableError,
    WrappedKey,
)
from trially.state import app_state
from trially.tenancy.advisory_locks import MASTER_KEY_LOCK
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.data_keys.masters import Masters
from trially.tenancy.data_keys.model import TenantKey


class MasterRotationBusyError(OperatorError):
    """Another process wraps the data keys again."""


@dataclass(frozen=True)
class StoredKey:
    """A data key as the catalog stores it."""

    tenant_id: UUID
    version: int
    sealed: str

    @property
    def wrapped(self) -> WrappedKey:
        """The wrapped key."""
        return WrappedKey.parse(self.sealed)

    @property
    def context(self) -> KeyContext:
        """What it is bound to."""
        return KeyContext(self.tenant_id, self.version)


@dataclass(frozen=True)
class Newest:
    """The newest version of the master key."""

    kind: str
    key_name: str
    key_version: str

    def has_wrapped(self, wrapped: WrappedKey) -> bool:
        """Return whether a key is wrapped with this version."""
        names = (wrapped.kind, wrapped.key_name, wrapped.key_version)
        return names == (self.kind, self.key_name, self.key_version)

    def __str__(self) -> str:
        """Return the version for people."""
        return f"{self.kind} {self.key_name} version {self.key_version}"


class FormerVersionsUsedError(OperatorError):
    """Data keys are wrapped by a former version of the master key, so it cannot be destroyed."""


class MasterRotation:
    """A rotation of the master key: `run` wraps the remaining data keys again."""

    def __init__(self, newest: Newest, remaining: Sequence[StoredKey], *, is_new: bool) -> None:
        self.newest = newest
        self.is_new = is_new
        """Whether this rotation has created the version."""

        self.remaining = remaining
        self.problems: list[str] = []
        """What failed, as sentences."""

    def run(self) -> Iterator[StoredKey]:
        """Wrap each remaining key again, and yield it.

        A key that cannot be unwrapped does not stop the others; a provider that does not answer or
        refuses does.
        """
        for key in self.remaining:
            try:
                wrap_again(key)
            except (ProviderUnavailableError, MasterKeyRefusedError) as error:
                self.problems.append(f"{error} Then run the command again, which continues.")
                return
            except KeyProviderError as error:
                self.problems.append(str(error))
            yield key


def newest_of(masters: Masters) -> Newest:
    """Return the newest version of the current master key. Raises a `KeyProviderError`."""
    provider = masters.current
    version = provider.newest_version()
    return Newest(provider.kind, provider.key_name, version)


def stored_keys() -> list[StoredKey]:
    """Return the data keys of all tenants that are not destroyed, ready tenants' included."""
    statement = select(TenantKey.tenant_id, TenantKey.version, TenantKey.sealed).where(
        TenantKey.sealed.is_not(None)
    )
    with control_engine().connect() as catalog:
        rows = catalog.execute(statement.order_by(TenantKey.tenant_id, TenantKey.version))
        return [StoredKey(row.tenant_id, row.version, row.sealed) for row in rows if row.sealed]


def count_by_master(keys: Sequence[StoredKey]) -> Counter[tuple[str, str, str]]:
    """Return how many keys each version of a master key has wrapped: kind, name, version."""
    wrapped = [key.wrapped for key in keys]
    return Counter((each.kind, each.key_name, each.key_version) for each in wrapped)


def keys_to_wrap(newest: Newest) -> list[StoredKey]:
    """Return the keys that the newest version of the master key has not wrapped."""
    return [key for key in stored_keys() if not newest.has_wrapped(key.wrapped)]


@contextmanager
def begin_master_rotation(*, creates_version: bool = True) -> Iterator[MasterRotation]:
    """Return a rotation, which no other process can run meanwhile.

    It creates a version of the master key if every data key has the newest one. Otherwise a former
    rotation is unfinished, or the provider rotates by itself: then it continues with the newest.
    Raises `MasterRotationBusyError` or a `KeyProviderError`.
    """
    masters = app_state().data_keys.masters
    with _exclusively():
        newest = newest_of(masters)
        remaining = keys_to_wrap(newest)
        is_new = creates_version and not remaining
        if is_new:
            masters.current.create_version()
            newest = newest_of(masters)
            remaining = keys_to_wrap(newest)
        yield MasterRotation(newest, remaining, is_new=is_new)


def destroy_former_versions() -> list[str]:
    """Destroy all versions of the master key but the newest one, and return them.

    A copy of the catalog from before the last rotation then contains no key that can be unwrapped.
    Raises `FormerVersionsUsedError`, `MasterRotationBusyError` or a `KeyProviderError`.
    """
    provider = app_state().data_keys.masters.current
    with _exclusively():
        used = keys_to_wrap(newest_of(app_state().data_keys.masters))
        if used:
            raise FormerVersionsUsedError(
                f"{len(used)} data keys are not wrapped by the newest version of the master key."
                " Run `flask keys rotate-master --no-new-version` first."
            )
        versions = provider.former_versions()
        for version in versions:
            provider.destroy_version(version)
    return versions


def wrap_again(key: StoredKey) -> None:
    """Wrap a data key with the newest version, unless it was destroyed or wrapped meanwhile."""
    masters = app_state().data_keys.masters
    wrapped = masters.wrap(masters.unwrap(key.wrapped, key.context))
    with catalog_transaction() as session:
        session.execute(
            update(TenantKey)
            .where(*_is(key), TenantKey.sealed == key.sealed)
            .values(sealed=str(wrapped), wrapped_at=func.now())
        )


def _is(key: StoredKey) -> tuple[ColumnElement[bool], ...]:
    return TenantKey.tenant_id == key.tenant_id, TenantKey.version == key.version


@contextmanager
def _exclusively() -> Iterator[Any]:
    with control_engine().connect() as catalog:
        if not catalog.scalar(select(func.pg_try_advisory_lock(MASTER_KEY_LOCK))):
            raise MasterRotationBusyError(
                "Another process is wrapping the data keys again. Wait until it has ended."
            )
        catalog.commit()
        try:
            yield
        finally:
            catalog.scalar(select(func.pg_advisory_unlock(MASTER_KEY_LOCK)))
