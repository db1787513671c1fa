"""Where an export is written: files with their hashes, and at the end the manifest."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Protocol

MANIFEST = "manifest.json"
IN_MEMORY = 1_000_000


class Target(Protocol):
    """A place that files are written to, one after the other."""

    def open(self, path: str) -> Any:
        """Return a context manager that yields a file; it is complete when the block ends."""


class HashedFile:
    """A file that hashes and counts what is written to it."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self.bytes = 0
        self.lines = 0
        self.items: int | None = None
        """How many items the file has, if these are not its lines."""

    def write(self, data: bytes, /) -> int:
        """Write the data."""
        self._digest.update(data)
        self.bytes += len(data)
        self.lines += data.count(b"\n")
        self._target.write(data)
        return len(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written, in hexadecimal."""
        return self._digest.hexdigest()


@dataclass
class Package:
    """The files of an export, and what its manifest says of them."""

    target: Target
    header: dict[str, Any]
    """What the manifest says besides its files. No value identifies a patient."""

    files: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def unlisted(self, path: str) -> Iterator[HashedFile]:
        """Yield a file that the manifest does not list by itself."""
        with self.target.open(path) as opened:
            yield HashedFile(opened)

    def spooled(self) -> IO[bytes]:
        """Return a file without a name, for what is written later. The caller closes it."""
        return SpooledTemporaryFile(IN_MEMORY)

    @contextmanager
    def file(self, path: str) -> Iterator[HashedFile]:
        """Yield a file of the package. The manifest has its size, hash and number of lines."""
        with self.unlisted(path) as hashed:
            yield hashed
        self.files.append(
            {
                "path": path,
                "bytes": hashed.bytes,
                "count": hashed.lines if hashed.items is None else hashed.items,
                "sha256": hashed.sha256,
            }
        )

    def write_manifest(self) -> dict[str, Any]:
        """Write the manifest, the last file, and return it. Without it, an export is torn."""
        manifest = {**self.header, "files": self.files}
        with self.target.open(MANIFEST) as opened:
            opened.write(json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n")
        return manifest
