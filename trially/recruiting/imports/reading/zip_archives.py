"""Read the members of a ZIP archive."""

import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from trially.recruiting.imports.reading.byte_sources import READ_ERRORS, ByteSource, Read

LARGEST_DIRECTORY_BYTES = 4 * 2**20
"""An archive's list of members, which `zipfile` reads at once, may have this size."""

MANY_MEMBERS = "The ZIP archive has too many files. Pack them with tar, or import the folder."
ENCRYPTED = "The ZIP archive is encrypted. Unpack it, and import the files."
UNKNOWN_METHOD = "The ZIP archive uses a compression that is not supported. Unpack it first."

_ENCRYPTED_FLAG = 0x1
ERRORS = (*READ_ERRORS, zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError)


class UnreadableZipError(Exception):
    """An archive or member cannot be read. The message is a sentence."""


@contextmanager
def open_zip(source: ByteSource) -> Iterator[zipfile.ZipFile]:
    """Copy an archive to a file without a name, because its list is at its end, and open it.

    Raises `UnreadableZipError`.
    """
    with tempfile.TemporaryFile() as copy:
        for chunk in source.chunks():
            copy.write(chunk)
        try:
            archive = zipfile.ZipFile(_Bounded(copy))
        except ERRORS as error:
            raise UnreadableZipError(source.failure or _reason_of(error)) from error
        with archive:
            yield archive


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Read:
    """Return the function that reads a member's bytes. Raises `UnreadableZipError`."""
    if member.flag_bits & _ENCRYPTED_FLAG:
        raise UnreadableZipError(ENCRYPTED)
    try:
        stream = archive.open(member)
    except ERRORS as error:
        raise UnreadableZipError(_reason_of(error)) from error

    def read(size: int) -> bytes:
        try:
            return stream.read(size)
        except zipfile.BadZipFile as error:  # a checksum does not match
            raise OSError from error

    return read


def _reason_of(error: Exception) -> str:
    if isinstance(error, NotImplementedError):
        return UNKNOWN_METHOD
    return str(error) if isinstance(error, _TooManyMembersError) else "The ZIP archive is damaged."


class _TooManyMembersError(zipfile.BadZipFile):
    """The list of members is too large."""


class _Bounded:
    """A file of which not more is read at once than the list of members may have."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, io.SEEK_END)

    def read(self, size: int = -1) -> bytes:
        wanted = self._size - self._file.tell() if size < 0 else size
        if wanted > LARGEST_DIRECTORY_BYTES:
            raise _TooManyMembersError(MANY_MEMBERS)
        return self._file.read(wanted)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True
