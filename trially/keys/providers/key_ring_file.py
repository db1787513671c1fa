"""Read and write a key ring: a file with the versions of a master key.

Only its owner may read it. A write that a crash interrupts leaves the former file.
"""

import os
import secrets
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from trially.keys.providers.errors import MasterKeyLostError, MasterKeyRefusedError

FORMAT = "trially-master-key/1"
KEY_BYTES = 32
OTHERS = 0o077
"""The permissions of a file's group, and of all other users."""


@dataclass(frozen=True)
class KeyRing:
    """A master key: its name, which a new ring gets at random, and its versions by number."""

    name: str
    versions: Mapping[int, bytes] = field(repr=False)

    @property
    def newest(self) -> int:
        """The number of the newest version."""
        return max(self.versions)

    def with_new_version(self) -> "KeyRing":
        """Return the ring with one more version."""
        added = {self.newest + 1: secrets.token_bytes(KEY_BYTES)}
        return KeyRing(self.name, {**self.versions, **added})

    def without(self, number: int) -> "KeyRing":
        """Return the ring without a version. The newest one stays."""
        kept = {each: key for each, key in self.versions.items() if each != number}
        return KeyRing(self.name, kept) if number != self.newest else self

    def to_json(self) -> bytes:
        """Return the content of the ring's file."""
        versions = {str(number): b64encode(key).decode() for number, key in self.versions.items()}
        content = {"format": FORMAT, "name": self.name, "versions": versions}
        return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def new_key_ring() -> KeyRing:
    """Return a ring with one random version."""
    return KeyRing(secrets.token_hex(8), {1: secrets.token_bytes(KEY_BYTES)})


def read_key_ring(path: Path) -> KeyRing:
    """Return the ring of a file.

    Raises `MasterKeyLostError` if there is none or it is damaged, `MasterKeyRefusedError` if this
    process may not read it, or if other users may.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except PermissionError:
        raise MasterKeyRefusedError(
            f"The key ring {path} cannot be read by this user. Let the user of this process own it."
        ) from None
    except OSError as error:
        raise MasterKeyLostError(
            f"The key ring {path} cannot be read ({error.strerror}). Restore it from its backup. If"
            " this installation has none yet: `flask keys create-master`."
        ) from None
    if mode & OTHERS:
        raise MasterKeyRefusedError(
            f"Other users may read the key ring {path}. Run `chmod 600 {path}`. If one of them may"
            " have read it: `flask keys rotate-master`."
        )
    return _parse(path, content)


def create_key_ring(path: Path, ring: KeyRing) -> None:
    """Write a ring to a new file. Raises `FileExistsError` if the file exists."""
    temporary = _write_temporary(path, ring.to_json())
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()
    _flush_directory(path.parent)


def replace_key_ring(path: Path, ring: KeyRing) -> None:
    """Write a ring in place of an existing file."""
    _write_temporary(path, ring.to_json()).replace(path)
    _flush_directory(path.parent)


def _parse(path: Path, content: bytes) -> KeyRing:
    try:
        parsed = orjson.loads(content)
        versions = {int(n): b64decode(key, validate=True) for n, key in parsed["versions"].items()}
        ring = KeyRing(parsed["name"], versions)
        is_valid = parsed["format"] == FORMAT and {len(key) for key in versions.values()} == {
            KEY_BYTES
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        is_valid = False
    if not is_valid:
        raise MasterKeyLostError(
            f"The key ring {path} is damaged or not a key ring. Restore it from its backup."
        )
    return ring


def _write_temporary(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp creates a file that only its owner can read.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _flush_directory(directory: Path) -> None:
    """Let a power failure not lose a file's name: the catalog may hold keys that it wraps."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
