"""Read FHIR resources from files, one at a time, whatever the files look like."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trially.recruiting.imports.reading.bundles import Found
from trially.recruiting.imports.reading.byte_sources import ByteSource, Ceiling
from trially.recruiting.imports.reading.documents import read_document
from trially.recruiting.imports.reading.source_files import (
    ImportSourceError,
    SourceFile,
    find_source_files,
    source_file_from_stream,
)
from trially.recruiting.imports.reading.unpacking import unpack

__all__ = [
    "ImportSourceError",
    "ReadResource",
    "SourceFile",
    "find_source_files",
    "read_resources",
    "source_file_from_stream",
]


LONGEST_FILE = 1000


@dataclass(frozen=True, slots=True)
class ReadResource:
    """One resource, or why there is none."""

    file: str
    """Its file's name; in an archive, the archive's and its own: `bundles.tar!a/b.json`."""
    number: int
    """The line in NDJSON, the entry in a Bundle, from 1."""
    resource: dict[str, Any] | None
    error: str | None
    """A sentence that never quotes the content, which is about patients."""
    ordinal: int
    """How many lines of the part are done with after this one, blank ones too: across all the
    files of an archive, and so what `start_after` takes. In a plain file it is the number."""


def read_resources(
    part: SourceFile, start_after: int = 0, *, most_unpacked_bytes: int | None = None
) -> Iterator[ReadResource]:
    """Yield a part's resources, and what cannot be read, after so many lines.

    Reading goes on after a broken line, and stops where the part is damaged or, unpacked, larger
    than the ceiling; the last line then says so.
    """
    with part.reading() as read:
        found = _read_all(part.name, ByteSource(read), Ceiling(most_unpacked_bytes))
        for ordinal, line in enumerate(found, 1):
            if line is not None and ordinal > start_after:
                file, number, resource, error = line
                yield ReadResource(file[-LONGEST_FILE:], number, resource, error, ordinal)


def _read_all(name: str, source: ByteSource, ceiling: Ceiling) -> Iterator[Found]:
    for file, content in unpack(name, source, ceiling):
        if isinstance(content, ByteSource):
            yield from read_document(file, content)
        else:
            yield file, 1, None, content
