"""Try an import: run it as it is, and undo all of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import select, text

from trially.config import current_settings
from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db, rolled_back
from trially.recruiting.imports.faults.groups import FAULT_COLUMNS, group_faults
from trially.recruiting.imports.faults.model import ImportFault
from trially.recruiting.imports.fhir.rows import IgnoredResource, ResourceError
from trially.recruiting.imports.fhir.translating import translate
from trially.recruiting.imports.import_rows import OUTCOME_COLUMNS
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.missing_records.finding import first_missing
from trially.recruiting.imports.model import ImportState
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.resources import ReadResource, ResourceReader
from trially.recruiting.imports.reading.source_files import SourceFile
from trially.recruiting.imports.running import ImportStoppedError, run_import

# Quotas are checked without their locks, which a dry run would hold to its end.
_IS_TRIAL = "SELECT set_config('trially.is_trial', 'on', true)"
FIRST_ROWS = 5
MISSING_SHOWN = 5


@dataclass(frozen=True)
class DryRun:
    """What an import of some files would do."""

    outcome: Item
    """The import as it would end."""
    groups: Sequence[Item]
    """Its faults by code and type."""
    faults: Sequence[Item]
    """The faults that it would store."""
    missing: Mapping[str, Sequence[Item]]
    """The first records that a full export lacks, by type."""
    first_rows: Sequence[dict[str, Any]]
    """The first rows as they would be stored, without absent values."""


def try_import(
    source_files: Sequence[SourceFile],
    *,
    source: str,
    limits: ImportLimits,
    strict: bool,
    reader: ResourceReader,
    is_complete: bool = False,
) -> DryRun:
    """Return what an import into the current tenant would do. Nothing is stored.

    The import runs in one transaction, so that facts find the patients that it has just written.
    Rows that it writes are locked until it is rolled back, so its time is short. If the time is
    used up, the outcome is `stopped`, and describes the lines so far.
    """
    most_seconds = current_settings().max_dry_run_seconds
    first = _FirstRows(reader)
    with rolled_back():
        db.session.execute(text(_IS_TRIAL))
        try:
            job = run_import(
                source_files,
                source=source,
                fingerprint=f"dry run {uuid4().hex}",
                limits=limits.of_dry_run(most_seconds),
                strict=strict,
                is_complete=is_complete,
                reader=first,
            )
        except ImportStoppedError as error:
            job = error.job
        groups, faults = group_faults(job), _fetch_faults(job)
        missing = first_missing(job["id"], list(job["missing"]), MISSING_SHOWN)
    outcome = {name: job[name] for name in OUTCOME_COLUMNS}
    if job["state"] == ImportState.STOPPED:
        outcome["failure"] = (
            f"The dry run reached its limit of {most_seconds:g} seconds. Its counts are those of"
            " the lines that it has read. Try a part of the input."
        )
    return DryRun(outcome, groups, faults, missing, first.rows)


class _FirstRows:
    """A reader that keeps the first rows of what it reads."""

    def __init__(self, reader: ResourceReader) -> None:
        self.rows: list[dict[str, Any]] = []
        self._reader = reader

    def __call__(
        self, source_file: SourceFile, meter: InputMeter, start_after: int
    ) -> Iterator[ReadResource]:
        for line in self._reader(source_file, meter, start_after):
            if len(self.rows) < FIRST_ROWS and type(line.resource) is dict:
                self.rows += _first_row(line.number, line.resource)
            yield line


def _first_row(number: int, resource: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        translated = translate(resource)
    except ResourceError:
        return []
    if isinstance(translated, IgnoredResource):
        return []
    row: Any = translated[0] if isinstance(translated, list) else translated
    values = {name: value for name, value in row.items() if value is not None}
    return [{"line": number, "resource": resource["resourceType"], **values}]


def _fetch_faults(job: Item) -> list[Item]:
    fault = table_of(ImportFault).c
    return fetch_items(
        select(*columns_named(ImportFault, FAULT_COLUMNS))
        .where(of_current_tenant(ImportFault), fault.import_id == job["id"])
        .order_by(fault.concerns, fault.id)
    )
