"""A master key in a file, for development and small installations: AES-256-GCM."""

import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trially.keys.providers.errors import MasterKeyLostError, WrongContextError
from trially.keys.providers.key_ring_file import (
    KeyRing,
    create_key_ring,
    new_key_ring,
    read_key_ring,
    replace_key_ring,
)
from trially.keys.providers.provider import KeyContext
from trially.keys.providers.wrapped import WrappedKey

NONCE_BYTES = 12


class FileProvider:
    """A provider whose master key is in a key ring's file.

    The file is read for each call, so a version that another process has added is known at once.
    `creates` lets the first call create a missing file: that is for development only.
    """

    kind = "file"

    def __init__(self, path: Path, *, creates: bool = False) -> None:
        self.path = path
        self._creates = creates

    @property
    def key_name(self) -> str:
        """The name of the ring, which does not depend on the file's path."""
        return self._ring().name

    def wrap(self, secret: bytes, context: KeyContext) -> WrappedKey:
        """Encrypt a data key with the newest version."""
        ring = self._ring()
        nonce = secrets.token_bytes(NONCE_BYTES)
        encrypted = AESGCM(ring.versions[ring.newest]).encrypt(nonce, secret, context.encoded)
        return WrappedKey(self.kind, ring.name, str(ring.newest), nonce + encrypted)

    def unwrap(self, wrapped: WrappedKey, context: KeyContext) -> bytes:
        """Return a data key that a version of this ring has wrapped."""
        ring = self._ring()
        key = ring.versions.get(int(wrapped.key_version)) if ring.name == wrapped.key_name else None
        if key is None:
            raise MasterKeyLostError(
                f"The key ring {self.path} lacks the master key {wrapped.key_name} version"
                f" {wrapped.key_version}, which wraps {context}. The ring has the master key"
                f" {ring.name}. Restore the other ring from its backup."
            )
        nonce, encrypted = wrapped.ciphertext[:NONCE_BYTES], wrapped.ciphertext[NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, encrypted, context.encoded)
        except (InvalidTag, ValueError):
            raise WrongContextError.of(context) from None

    def newest_version(self) -> str:
        """Return the number of the newest version."""
        return str(self._ring().newest)

    def create_version(self) -> str:
        """Add a version to the ring."""
        ring = self._ring().with_new_version()
        replace_key_ring(self.path, ring)
        return str(ring.newest)

    def former_versions(self) -> list[str]:
        """Return the numbers of all versions but the newest one."""
        ring = self._ring()
        return [str(number) for number in sorted(ring.versions) if number != ring.newest]

    def destroy_version(self, version: str) -> None:
        """Write the ring without a former version."""
        replace_key_ring(self.path, self._ring().without(int(version)))

    def create_key(self) -> None:
        """Create the ring. Raises `FileExistsError` if the file exists."""
        create_key_ring(self.path, new_key_ring())

    def _ring(self) -> KeyRing:
        if self._creates and not self.path.exists():
            with suppress(FileExistsError):  # Another process was faster.
                self.create_key()
        return read_key_ring(self.path)
