"""Read an archive: decrypt it, and verify each part and the whole. No SQL comes from an archive."""

import hmac
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import IO, NamedTuple

import pyrage
import zstandard

from trially.keys.data_keys import DataKey
from trially.tenancy.archives.archive_keys import authenticate, identity_of
from trially.tenancy.archives.errors import DamagedArchiveError, ForeignArchiveError
from trially.tenancy.archives.manifest import (
    AUTHENTICATION,
    HEADER_LIMIT,
    MANIFEST,
    Header,
    Manifest,
    part_name,
)
from trially.tenancy.archives.places import open_file
from trially.tenancy.archives.row_hash import RowHash
from trially.tenancy.archives.table_streams import PART_BYTES, split_lines
from trially.tenancy.data_keys import data_key_of_version

_LARGEST_ROW = 1 << 30
"""PostgreSQL's limit of a field. A part has at most one row beyond `PART_BYTES`."""

_TABLES = "tables"


class Part(NamedTuple):
    """Some rows of a table."""

    table: str
    lines: bytes


def read_header(file: IO[bytes]) -> Header:
    """Read the first line of an archive. Raises `ForeignArchiveError`."""
    return Header.parse(file.readline(HEADER_LIMIT))


def read_header_at(url: str) -> Header:
    """Read the header of the archive at a URL."""
    with open_file(url) as file:
        return read_header(file)


def key_of(header: Header) -> DataKey:
    """Return the data key that opens an archive.

    Raises `UnknownKeyError`, `DestroyedKeyError` or a `KeyProviderError`.
    """
    return data_key_of_version(header.tenant_id, header.key_version)


def verify_archive(file: IO[bytes]) -> Manifest:
    """Read a whole archive, and return its manifest. Nothing is written anywhere.

    Raises `ForeignArchiveError` or `DamagedArchiveError`.
    """
    reader = ArchiveReader(file)
    for _ in reader.parts():
        pass
    return reader.manifest


class ArchiveReader:
    """An archive that is read once, from its beginning to its end.

    Without `hashes`, only the parts of tables are counted, because the caller compares the rows
    where they were loaded.
    """

    def __init__(self, file: IO[bytes], *, hashes: bool = True) -> None:
        self._file, self._hashes = file, hashes
        self.header = read_header(file)
        self._key = key_of(self.header)
        self._manifest: Manifest | None = None

    @property
    def manifest(self) -> Manifest:
        """What the archive holds, after all its parts were read."""
        if self._manifest is None:
            raise DamagedArchiveError("The archive has no manifest: it is not complete.")
        return self._manifest

    def parts(self) -> Iterator[Part]:
        """Yield all rows, table after table. At the end, everything is verified.

        Raises `DamagedArchiveError`.
        """
        found: dict[str, RowHash] = {}
        counts: dict[str, int] = {}
        closing: dict[str, bytes] = {}
        try:
            with self._decrypted() as tar:
                for member in tar:
                    content = _content(tar, member)
                    if member.name in (MANIFEST, AUTHENTICATION):
                        closing[member.name] = content
                        continue
                    table = _table_of(member.name)
                    counts[table] = counts.get(table, 0) + 1
                    if member.name != part_name(table, counts[table]) or closing:
                        raise DamagedArchiveError(f"The part {member.name} is out of place.")
                    lines = _decompress(content)
                    if self._hashes:
                        found.setdefault(table, RowHash()).add(split_lines(lines))
                    yield Part(table, lines)
        except (tarfile.TarError, zstandard.ZstdError, pyrage.DecryptError, OSError) as error:
            raise DamagedArchiveError(
                f"The archive is damaged or incomplete: {error}. Nothing was restored from it."
            ) from error
        self._manifest = self._verify(closing, found, counts)

    def _verify(
        self, closing: dict[str, bytes], found: dict[str, RowHash], counts: dict[str, int]
    ) -> Manifest:
        text = closing.get(MANIFEST)
        if text is None or AUTHENTICATION not in closing:
            raise DamagedArchiveError("The archive has no manifest: it is not complete.")
        expected = authenticate(self._key, self.header.archive_id, text).encode()
        if not hmac.compare_digest(expected, closing[AUTHENTICATION]):
            raise ForeignArchiveError(
                "The manifest was not written by this installation with the tenant's key."
            )
        manifest = Manifest.parse(text)
        if manifest.header != self.header:
            raise ForeignArchiveError("The header is not that of the archive behind it.")
        for table in manifest.tables:
            parts, rows = counts.pop(table.name, 0), found.get(table.name, RowHash())
            has_rows = (rows.rows, rows.hexadecimal) == (table.rows, table.hash)
            if parts != table.parts or (self._hashes and not has_rows):
                raise DamagedArchiveError(
                    f"The rows of {table.name} are not those of the manifest: {rows.rows} of"
                    f" {table.rows} rows, in {parts} of {table.parts} parts."
                )
        if counts:
            raise DamagedArchiveError(
                f"The archive has tables that the manifest lacks: {', '.join(sorted(counts))}."
            )
        return manifest

    @contextmanager
    def _decrypted(self) -> Iterator[tarfile.TarFile]:
        """Yield the tar. A thread decrypts it through a pipe."""
        identity = identity_of(self._key, self.header.archive_id)
        reading, writing = os.pipe()
        failures: list[BaseException] = []

        def decrypt() -> None:
            try:
                with os.fdopen(writing, "wb") as pipe:
                    pyrage.decrypt_io(self._file, pipe, [identity])
            except BrokenPipeError:
                return  # The reader has stopped.
            except BaseException as error:  # noqa: BLE001  the caller raises it
                failures.append(error)

        thread = Thread(target=decrypt, name="archive", daemon=True)
        thread.start()
        try:
            with os.fdopen(reading, "rb") as pipe:
                try:
                    with tarfile.open(fileobj=pipe, mode="r|") as tar:
                        yield tar
                    pipe.read()
                except tarfile.TarError:
                    thread.join()
                    if failures:
                        raise failures[0] from None
                    raise
        finally:
            thread.join()
        if failures:
            raise failures[0]


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    if file is None:
        raise DamagedArchiveError(f"The member {member.name} is no file.")
    return file.read()


def _table_of(name: str) -> str:
    folder, _, rest = name.partition("/")
    table, _, _part = rest.partition("/")
    if folder != _TABLES or not table:
        raise DamagedArchiveError(f"The archive has an unknown member: {name}.")
    return table


def _decompress(content: bytes) -> bytes:
    lines = zstandard.ZstdDecompressor().decompress(
        content, max_output_size=PART_BYTES + _LARGEST_ROW
    )
    if not lines.endswith(b"\n"):
        raise DamagedArchiveError("A part does not end with a whole row.")
    return lines
