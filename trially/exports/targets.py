"""Targets of exports: a directory, a ZIP archive, and an object store."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from trially.errors import OperatorError


class ExportTargetError(OperatorError):
    """An export cannot be written to its target."""


class DirectoryTarget:
    """A directory that only this user may read. It has its name when it is complete."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._partial = directory.with_name(f".{directory.name}.{uuid4().hex[:12]}.partial")

    def open(self, path: str) -> Any:
        """Create a file that only this user may read."""
        file = self._partial / path
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        return os.fdopen(handle, "wb")

    @contextmanager
    def complete(self) -> Iterator["DirectoryTarget"]:
        """Give the directory its name when the block ends, or remove what it wrote.

        Raises `ExportTargetError` for a directory that has anything in it.
        """
        if self._directory.exists() and (
            not self._directory.is_dir() or any(self._directory.iterdir())
        ):
            raise ExportTargetError(
                f"{self._directory} exists and is not empty. Name a directory that is not there."
            )
        try:
            self._partial.mkdir(mode=0o700)
        except OSError as error:
            raise ExportTargetError(
                f"{self._partial.parent} cannot be written: {error.strerror}."
            ) from error
        try:
            yield self
            _sync(self._partial)
            if self._directory.exists():
                self._directory.rmdir()
            self._partial.rename(self._directory)
        except BaseException:
            shutil.rmtree(self._partial, ignore_errors=True)
            raise


class ZipTarget:
    """A ZIP archive that is written from its beginning to its end, and never read."""

    def __init__(self, file: Any) -> None:
        self._archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)

    def open(self, path: str) -> Any:
        """Begin an entry of the archive."""
        return self._archive.open(path, "w", force_zip64=True)

    def close(self) -> None:
        """Write the end of the archive."""
        self._archive.close()


class StoreTarget:
    """An object store below a URL, such as `s3://bucket/exports/acme`."""

    def __init__(self, url: str) -> None:
        from obstore.store import from_url

        self._store, self._url = from_url(url, mkdir=True) if _is_file(url) else from_url(url), url
        self._written: list[str] = []

    def open(self, path: str) -> Any:
        """Begin an object. It exists when its block has ended."""
        import obstore

        self._written.append(path)
        return obstore.open_writer(self._store, path)

    @contextmanager
    def complete(self) -> Iterator["StoreTarget"]:
        """Delete what was written if the block fails. The manifest is the last object.

        Raises `ExportTargetError` if the URL has objects already.
        """
        import obstore
        from obstore.exceptions import BaseError

        try:
            self._refuse_objects()
            yield self
        except BaseException as error:
            for path in self._written:
                with suppress(BaseError, FileNotFoundError):
                    obstore.delete(self._store, path)
            if isinstance(error, BaseError):
                raise ExportTargetError(f"{self._url} cannot be written: {error}") from error
            raise

    def _refuse_objects(self) -> None:
        import obstore

        if next(iter(obstore.list(self._store, chunk_size=1)), None):
            raise ExportTargetError(f"{self._url} is not empty. Name another place.")


def target_of(place: str) -> DirectoryTarget | StoreTarget:
    """Return the target of a directory or URL."""
    return StoreTarget(place) if "://" in place else DirectoryTarget(Path(place))


def _is_file(url: str) -> bool:
    return url.startswith("file://")


def _sync(directory: Path) -> None:
    """Wait until the files of a directory are on the disk."""
    for path in [*directory.rglob("*"), directory]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
