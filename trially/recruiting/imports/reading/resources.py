"""Read FHIR resources from a file, one at a time, whatever its format and compression."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from trially.database.model import length_of
from trially.recruiting.custom_fields.values import Value
from trially.recruiting.imports.faults import FaultCode, LineFault, fault
from trially.recruiting.imports.faults.model import ImportFault
from trially.recruiting.imports.reading.bundles import ReadResult
from trially.recruiting.imports.reading.byte_sources import ByteSource
from trially.recruiting.imports.reading.documents import read_document
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.records import Deletion, Located
from trially.recruiting.imports.reading.source_files import SourceFile
from trially.recruiting.imports.reading.unpacking import unpack

LONGEST_FILE_NAME = length_of(ImportFault.file)


class ReadResource(NamedTuple):
    """One resource, or the fault in its place."""

    file: str
    """The file's name. In an archive, the archive's name and its own: `bundles.tar!a/b.json`."""
    number: int
    """The line in NDJSON or the entry in a Bundle, from 1."""
    resource: dict[str, Any] | Deletion | None
    fault: LineFault | None
    ordinal: int
    """Number of lines of the source file up to this one, blank lines included.

    In an archive, it counts the lines of all files. `start_after` takes it.
    """

    base_url: str = ""
    """The base URL of the server that the entry's full URL names."""

    custom: Mapping[str, Value] = MappingProxyType({})
    """A patient's values of the tenant's own fields, which a column of a table has."""


ResourceReader = Callable[[SourceFile, InputMeter, int], Iterator[ReadResource]]
"""Reads a file's resources after a number of lines, as `read_resources` does."""


def read_resources(
    source_file: SourceFile, meter: InputMeter, start_after: int = 0
) -> Iterator[ReadResource]:
    """Yield a file's resources and faults, after the first `start_after` lines.

    Reading continues after a bad line. It stops if the file is damaged; the last result is then the
    fault. Raises `ImportLimitError` at a limit of the meter.
    """
    with source_file.reading() as read:
        meter.begin_file(source_file.position)
        for ordinal, result in enumerate(_read_all(source_file.name, ByteSource(read), meter), 1):
            meter.count_line()
            if result is not None and ordinal > start_after:
                name, number, resource, bad = result
                file = name[-LONGEST_FILE_NAME:]
                located = bad and bad.at(file, number)
                base_url = ""
                if isinstance(resource, Located):
                    resource, base_url = resource
                yield ReadResource(file, number, resource, located, ordinal, base_url)


def _read_all(name: str, source: ByteSource, meter: InputMeter) -> Iterator[ReadResult]:
    for file, content in unpack(name, source, meter):
        if isinstance(content, ByteSource):
            yield from read_document(file, content, meter)
        else:
            yield file, 1, None, fault(FaultCode.DAMAGED_FILE, content)
