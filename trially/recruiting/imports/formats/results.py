"""The results of reading other formats, counted as an import counts lines."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from trially.database.model import length_of
from trially.recruiting.custom_fields.values import Value
from trially.recruiting.imports.faults import Concern, FaultCode, LineFault, fault
from trially.recruiting.imports.faults.model import ImportFault
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.records import Deletion
from trially.recruiting.imports.reading.resources import ReadResource

Json = dict[str, Any]

LONGEST_FILE_NAME = length_of(ImportFault.file)


class Results:
    """Makes the results of one file. Those that an interrupted import has stored are left out.

    A line may have a resource and several faults, so each result counts, not each line.
    """

    def __init__(self, file: str, meter: InputMeter, start_after: int) -> None:
        self.meter = meter
        self.line = 0
        """The last line with a result."""
        self._file = file[-LONGEST_FILE_NAME:]
        self._start_after = start_after
        self._count = 0

    def resource(
        self, line: int, resource: Json, custom: Mapping[str, Value] = MappingProxyType({})
    ) -> Iterator[ReadResource]:
        """Yield the resource of a line, with its custom values, unless it is stored."""
        return self._result(line, resource, None, custom)

    def deletion(self, line: int, resource: Json, modified: str | None) -> Iterator[ReadResource]:
        """Yield that the source has deleted a resource, unless it is stored."""
        deleted = Deletion("", resource["resourceType"], resource["id"], modified, None)
        return self._result(line, deleted, None)

    def refusal(
        self, line: int, code: FaultCode, sentence: str, pointer: str | None = None
    ) -> Iterator[ReadResource]:
        """Yield why a line has no resource, unless it is stored.

        The sentence never quotes the line.
        """
        refused = replace(fault(code, sentence).at(self._file, line), pointer=pointer)
        return self._result(line, None, refused)

    def omission(
        self, line: int, sentence: str, resource: Json, pointer: str | None = None
    ) -> Iterator[ReadResource]:
        """Yield what a resource is imported without, unless it is stored."""
        omitted = LineFault(
            self._file,
            line,
            sentence,
            pointer,
            concerns=Concern.VALUE,
            resource_type=resource["resourceType"],
            resource_id=resource["id"],
        )
        return self._result(line, None, omitted)

    def _result(
        self,
        line: int,
        resource: Json | Deletion | None,
        bad: LineFault | None,
        custom: Mapping[str, Value] = MappingProxyType({}),
    ) -> Iterator[ReadResource]:
        self.line = line
        self._count += 1
        self.meter.count_line()
        if self._count > self._start_after:
            yield ReadResource(self._file, line, resource, bad, self._count, custom=custom)
