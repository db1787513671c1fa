"""Read a table as FHIR R4 resources."""

from collections.abc import Iterator, Mapping
from typing import Any

from trially.recruiting.imports.faults import FaultCode
from trially.recruiting.imports.formats.results import Results
from trially.recruiting.imports.formats.tables.cells import Cells
from trially.recruiting.imports.formats.tables.custom_values import read_custom_values
from trially.recruiting.imports.formats.tables.plans import TablePlan
from trially.recruiting.imports.formats.tables.resources import translate_row
from trially.recruiting.imports.formats.tables.rows import RowError, read_rows
from trially.recruiting.imports.formats.text_files import open_content, read_lines
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.resources import ReadResource
from trially.recruiting.imports.reading.source_files import SourceFile


class TableReader:
    """Reads tables by their plans."""

    def __init__(self, plans: Mapping[SourceFile, TablePlan]) -> None:
        self._plans = plans

    def __call__(
        self, source_file: SourceFile, meter: InputMeter, start_after: int = 0
    ) -> Iterator[ReadResource]:
        """Yield the resource, and the faults, of each row. Lines are those of the file."""
        results = Results(source_file.name, meter, start_after)
        plan = self._plans[source_file]
        for content in open_content(source_file, meter):
            lines = read_lines(content, plan.codec, meter.limits.most_line_bytes)
            for _ in range(plan.header_line - 1):
                next(lines)
            yield from self._read(plan, lines, results)
            if content.failure is not None:
                yield from results.refusal(
                    results.line + 1, FaultCode.DAMAGED_FILE, content.failure
                )

    def _read(
        self, plan: TablePlan, lines: Iterator[str | None], results: Results
    ) -> Iterator[ReadResource]:
        rows = read_rows(lines, plan.delimiter, results.meter.limits.most_line_bytes)
        next(rows)  # the header
        for number, cells in rows:
            line = plan.header_line - 1 + number
            row, resource, error = _translate(plan, cells)
            if resource is not None:
                custom = read_custom_values(row, plan.options.custom) if row else {}
                yield from results.resource(line, resource, custom)
            for fault in row.faults if row else ():
                pointer = f"/{fault.field}"
                if resource is not None:
                    yield from results.omission(line, fault.sentence, resource, pointer)
                else:
                    yield from results.refusal(line, FaultCode.INVALID_ROW, fault.sentence, pointer)
            if error is not None:
                yield from results.refusal(line, FaultCode.INVALID_ROW, str(error), error.pointer)


def _translate(
    plan: TablePlan, cells: list[str] | RowError
) -> tuple[Cells | None, dict[str, Any] | None, RowError | None]:
    """Return a row's cells, and its resource or the error why it has none."""
    row = None
    try:
        if isinstance(cells, RowError):
            raise cells
        row = Cells(cells, plan)
        return row, translate_row(row, plan.options.kind, plan.options.mapping), None
    except RowError as error:
        return row, None, error
