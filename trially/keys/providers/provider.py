"""The interface that every provider of a master key implements."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from trially.keys.providers.wrapped import WrappedKey


@dataclass(frozen=True)
class KeyContext:
    """What a wrapped key is bound to. With another context it cannot be unwrapped."""

    tenant_id: UUID
    version: int
    """The version of the data key."""

    @property
    def pairs(self) -> dict[str, str]:
        """The context as names and values. Key management services may log them."""
        return {"tenant": str(self.tenant_id), "version": str(self.version)}

    def __str__(self) -> str:
        """Return the context for people."""
        return f"version {self.version} of the data key of the tenant {self.tenant_id}"

    @property
    def encoded(self) -> bytes:
        """The context as bytes. They stay the same in every release."""
        return f"trially data key {self.version} of tenant {self.tenant_id}".encode()


class KeyProvider(Protocol):
    """A provider that has one master key, which may have several versions.

    Every method raises a `KeyProviderError`. Threads may share a provider.
    """

    kind: str
    """The kind of provider, as in wrapped keys."""

    @property
    def key_name(self) -> str:
        """The name of the master key, as in wrapped keys."""

    def wrap(self, secret: bytes, context: KeyContext) -> WrappedKey:
        """Encrypt a data key with the newest version of the master key."""

    def unwrap(self, wrapped: WrappedKey, context: KeyContext) -> bytes:
        """Return a data key that this provider's master key has wrapped in the same context."""

    def newest_version(self) -> str:
        """Return the version of the master key that `wrap` uses."""

    def former_versions(self) -> list[str]:
        """Return the versions of the master key before the newest one that still exist.

        Raises a `KeyProviderError` that says what to do, if the provider has tools of its own.
        """

    def destroy_version(self, version: str) -> None:
        """Destroy a former version for good. The keys that it has wrapped cannot be unwrapped."""

    def create_key(self) -> None:
        """Create the master key. Raises `FileExistsError` if it exists.

        Raises a `KeyProviderError` that says how, if the provider has tools of its own for that.
        """

    def create_version(self) -> str:
        """Create a version of the master key, which `wrap` uses from now on, and return it."""
