"""Read tables in memory."""

import io
import zipfile
from typing import Any

import orjson

from trially.recruiting.column_mappings.mapping import build_mapping, read_mapping
from trially.recruiting.column_mappings.table_fields import TableKind
from trially.recruiting.imports.formats.tables.plans import TableOptions, TablePlan, plan_table
from trially.recruiting.imports.formats.tables.reading import TableReader
from trially.recruiting.imports.formats.text_files import Encoding
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.resources import ReadResource
from trially.recruiting.imports.reading.source_files import source_file_from_stream


def read_table(
    content: str | bytes,
    kind: str,
    *,
    mapping: Any = None,
    encoding: str = "auto",
    delimiter: str | None = None,
    start_after: int = 0,
) -> tuple[TablePlan, list[ReadResource]]:
    """Return how a table is read, and what is read."""
    body = content.encode() if isinstance(content, str) else content
    file = source_file_from_stream("table.csv", io.BytesIO(body))
    options = TableOptions(
        TableKind(kind),
        build_mapping(read_mapping(orjson.dumps(mapping or {}), TableKind(kind)), TableKind(kind)),
        Encoding(encoding),
        delimiter,
    )
    limits = ImportLimits()
    plan = plan_table(file, options, limits)
    plan.check()
    return plan, list(TableReader({file: plan})(file, InputMeter(limits), start_after))


def resources(content: str | bytes, kind: str, **options: Any) -> list[dict[str, Any]]:
    """Return the resources of a table. Their ids are left out."""
    _, results = read_table(content, kind, **options)
    assert [each.fault for each in results if each.fault] == []
    return [each.resource | {"id": None} for each in results if each.resource]


def faults(content: str | bytes, kind: str, **options: Any) -> list[tuple[int, str]]:
    """Return the lines and sentences of a table's faults."""
    _, results = read_table(content, kind, **options)
    return [(each.number, each.fault.reason) for each in results if each.fault]


def zipped(name: str) -> bytes:
    """Return a ZIP archive with one file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, "x")
    return packed.getvalue()
