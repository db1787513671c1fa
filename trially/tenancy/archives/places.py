"""Where archives are: a folder, or a bucket of S3, Google Cloud Storage or Azure."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from trially.config import current_settings
from trially.tenancy.archives.errors import ArchiveError, NoArchiveError

FOLDER = "archives"
"""In the instance's directory: the place of archives in development."""

SUFFIX = ".trially"
SCHEMES = frozenset({"s3", "gs", "az", "memory"})
BUFFER_BYTES = 8 << 20
"""How much is sent to a store at a time, and read from it."""


class UnusablePlaceError(ArchiveError):
    """A URL names no place for archives, or the place refuses."""


def default_place() -> str:
    """Return the URL of `TRIALLY_BACKUP_URL`, by default a folder of the instance."""
    settings = current_settings()
    return settings.backup_url or (settings.instance.absolute() / FOLDER).as_uri()


def object_name(tenant_id: UUID, archive_id: UUID, at: datetime) -> str:
    """Return the name of an archive. It does not say whose it is to those who know no ids."""
    return f"{tenant_id}/{at:%Y%m%dT%H%M%SZ}-{archive_id.hex}{SUFFIX}"


def join(place: str, name: str) -> str:
    """Return the URL of an archive at a place."""
    return f"{place.rstrip('/')}/{name}"


@contextmanager
def new_file(url: str) -> Iterator[IO[bytes]]:
    """Yield a file to write an archive into. It exists only if the block succeeds.

    Raises `UnusablePlaceError`.
    """
    store, name = _open(url)
    with _explained(url):
        writer = obstore.open_writer(store, name, buffer_size=BUFFER_BYTES)
    try:
        yield writer  # type: ignore[misc]  # it writes as a file does
    except BaseException:
        # Without `close`, the upload is not completed, and the store has no such object.
        del writer
        raise
    with _explained(url):
        writer.close()


@contextmanager
def open_file(url: str) -> Iterator[IO[bytes]]:
    """Yield an archive for reading. Raises `NoArchiveError` or `UnusablePlaceError`."""
    store, name = _open(url)
    try:
        reader = obstore.open_reader(store, name, buffer_size=BUFFER_BYTES)
    except FileNotFoundError:
        raise NoArchiveError(f"There is no archive at {url}.") from None
    except BaseError as error:
        raise UnusablePlaceError(f"The archive {url} cannot be read. {error}") from None
    yield io.BufferedReader(_Raw(reader), 1 << 20)


def list_files(place: str, folder: str | None = None) -> Iterator[str]:
    """Yield the names of all complete files at a place, or in one folder of it.

    Raises `UnusablePlaceError`.
    """
    store, _ = _open(join(place, "archives"))
    try:
        for files in obstore.list(store, folder):
            yield from (each["path"] for each in files)
    except BaseError as error:
        raise UnusablePlaceError(f"The place {place} cannot be listed. {error}") from None


def remove_file(url: str) -> None:
    """Remove an archive; one that is gone already counts as removed."""
    store, name = _open(url)
    try:
        obstore.delete(store, name)
    except FileNotFoundError:
        return
    except BaseError as error:
        raise UnusablePlaceError(f"The archive {url} cannot be removed. {error}") from None


def exists(url: str) -> bool:
    """Return whether there is a complete archive. Raises `UnusablePlaceError`."""
    store, name = _open(url)
    try:
        obstore.head(store, name)
    except FileNotFoundError:
        return False
    except BaseError as error:
        raise UnusablePlaceError(f"The place {url} does not answer. {error}") from None
    return True


def url_of(text: str) -> str:
    """Return the URL of an archive that is given by its URL or its path."""
    return text if urlsplit(text).scheme else Path(text).absolute().as_uri()


class _Raw(io.RawIOBase):
    """A reader of obstore as Python's buffered files need it."""

    def __init__(self, reader: Any) -> None:
        super().__init__()
        self._reader = reader

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer, and return the number of bytes."""
        data = bytes(self._reader.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)


def _open(url: str) -> tuple[ObjectStore, str]:
    """Return the store of an archive's URL, and the archive's name in it."""
    parts = urlsplit(url)
    folder, _, name = parts.path.rpartition("/")
    if not name:
        raise UnusablePlaceError(f"{url} names no archive.")
    if parts.scheme == "file" and not parts.netloc:
        directory, name = Path(unquote(folder)), unquote(name)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalStore(directory), name
    if parts.scheme in SCHEMES:
        try:
            return from_url(f"{parts.scheme}://{parts.netloc}{folder}"), name
        except (BaseError, ValueError) as error:
            raise UnusablePlaceError(f"The place {url} cannot be used. {error}") from None
    raise UnusablePlaceError(
        f"{url} is not supported. Use a path, or a URL that begins with file:///, s3://, gs:// or"
        " az://."
    )


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        raise UnusablePlaceError(f"The archive {url} cannot be written. {error}") from error
