"""Run an import. Each batch is committed with the position in the input, to continue from there."""

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from trially.audit.forms import Action
from trially.audit.working import working
from trially.database.quotas import QuotaExceededError
from trially.database.rows import Item, of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.errors import OperatorError
from trially.recruiting.duplicates.finding import find_duplicates_since
from trially.recruiting.imports.deleting import delete_rows_of
from trially.recruiting.imports.faults import FaultCode, LineFault, fault
from trially.recruiting.imports.faults.groups import find_first_fault
from trially.recruiting.imports.import_run import (
    SILENT,
    BadLineError,
    Caller,
    ImportRun,
    ImportTakenOverError,
    OverQuotaError,
)
from trially.recruiting.imports.limits import (
    UNLIMITED_INPUT,
    ImportInterruptedError,
    ImportLimitError,
    ImportLimits,
    ImportTimeError,
)
from trially.recruiting.imports.missing_records.finding import (
    find_missing,
    list_missing,
    note_records,
)
from trially.recruiting.imports.missing_records.model import ImportedRecord
from trially.recruiting.imports.model import ImportJob, ImportState
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.resources import (
    ReadResource,
    ResourceReader,
    read_resources,
)
from trially.recruiting.imports.reading.source_files import SourceFile
from trially.recruiting.imports.reading_ahead import read_ahead
from trially.recruiting.imports.rezoning import rezone_source
from trially.recruiting.imports.source_state import store_base_url
from trially.recruiting.imports.waiting.waiting_facts import WaitingFacts
from trially.recruiting.imports.writing.batches import Batch
from trially.recruiting.imports.writing.resources import RecordKey
from trially.request_state import request_state
from trially.tenancy.context import current_tenant
from trially.terminal import plural

_ANALYZE = "SELECT trially.analyze_tables()"
ANALYZED_AFTER_BATCHES = frozenset({1, 2, 4, 16, 64, 256, 1024})

NO_RESOURCES = (
    "The input holds no resource. Check that it is the file that you want to import, and that the"
    " export is complete."
)


class ImportStoppedError(OperatorError):
    """An import has reached a limit. The batches before it are committed."""

    def __init__(self, job: Item, quota: QuotaExceededError | None = None) -> None:
        super().__init__(str(job["failure"]))
        self.job = job
        """The import as it ended: `failed`, or `stopped` if the same input can continue it."""

        self.quota = quota
        """The quota of the tenant that was the limit, if it was one."""


@working(Action.IMPORT)
def run_import(
    source_files: Sequence[SourceFile],
    *,
    source: str,
    fingerprint: str,
    limits: ImportLimits = UNLIMITED_INPUT,
    strict: bool = False,
    started_by: str | None = None,
    is_complete: bool = False,
    time_zone: str | None = None,
    caller: Caller = SILENT,
    reader: ResourceReader = read_resources,
) -> Item:
    """Import files into the current tenant, and return the import as it ended.

    If an import with the same source and fingerprint is unfinished, continue after its last
    committed batch. If another process is still running that import, the other process gets
    `ImportTakenOverError`. Each batch is one transaction. With `strict`, the first bad line ends
    the import as failed: its batch is rolled back, and the batches before it stay. An import that
    finds nothing to import fails too. With `is_complete`, the records that the input lacks are
    listed at the end, and `withdraw_missing` withdraws them. `time_zone` is the zone of times
    without a UTC offset, by default the source's, or else the tenant's. `reader` reads formats
    other than FHIR.

    Raises `TooManyImportsError` before it begins, and `ImportStoppedError` at a limit. If the
    caller interrupts the import, its state is `stopped`, and the caller's error is raised.
    """
    run = ImportRun(
        limits,
        source=source,
        fingerprint=fingerprint,
        strict=strict,
        started_by=started_by,
        is_complete=is_complete,
        caller=caller,
    )
    meter = InputMeter(limits)
    zone = ZoneInfo(time_zone or run.source_state.time_zone or current_tenant().time_zone)
    waiting = WaitingFacts(run, limits)
    try:
        try:
            waiting.expire(limits.most_waiting_days)
            if time_zone is None:
                rezone_source(source, zone.key, run.batch_transaction)
            _import_files(run, waiting, source_files, meter, zone, caller.progress, reader)
            waiting.resolve(meter.check_time)
            waiting.complete_documents(meter.check_time)
            run.drop_binaries()
            if run.took_nothing:
                return run.fail(*_nothing_imported(run, source_files))
            _analyze_tables()
            _find_duplicates(run, meter)
            return _finish(run, waiting, meter)
        except BadLineError as error:
            bad = error.fault
            waiting.keep_texts()
            return run.fail(f"{bad.file}, line {bad.line}: {bad.reason}", bad)
        except OverQuotaError as error:
            waiting.keep_texts()
            raise ImportStoppedError(run.fail(str(error), error.fault), error.quota) from None
        except ImportTimeError as error:
            raise ImportStoppedError(run.stop(str(error))) from None
        except ImportLimitError as error:
            waiting.keep_texts()
            raise ImportStoppedError(run.fail(str(error))) from None
    except (ImportStoppedError, ImportTakenOverError):
        raise
    except ImportInterruptedError as error:
        run.interrupt(str(error))
        raise
    except BaseException:
        run.release()
        raise


def _finish(run: ImportRun, waiting: WaitingFacts, meter: InputMeter) -> Item:
    """End an import that has read all of its input."""
    if not run.is_complete:
        return run.finish(waiting.report)
    find_missing(run, meter.check_time)

    def report() -> None:
        waiting.report()
        list_missing(run)

    job = run.finish(report)
    delete_rows_of(run.id, ImportedRecord, transaction)
    return job


def fingerprint_of(source_files: Sequence[SourceFile]) -> str:
    """Return a digest of the files' names, sizes and times of last change."""
    listing = "\n".join(f"{file.size} {file.modified_ns} {file.name}" for file in source_files)
    return hashlib.sha256(listing.encode()).hexdigest()


def fingerprint_with(fingerprint: str, options: object) -> str:
    """Return a digest of an input and of how it is read: with others, an import starts again."""
    return hashlib.sha256(f"{fingerprint} {options!r}".encode()).hexdigest()


def has_run(fingerprint: str) -> bool:
    """Return whether an import of this input is done in the current tenant."""
    job = table_of(ImportJob)
    statement = select(job.c.id).where(
        of_current_tenant(ImportJob),
        job.c.fingerprint == fingerprint,
        job.c.state == ImportState.DONE,
    )
    return db.session.execute(statement.limit(1)).first() is not None


def _import_files(
    run: ImportRun,
    waiting: WaitingFacts,
    source_files: Sequence[SourceFile],
    meter: InputMeter,
    zone: ZoneInfo,
    progress: Callable[[int], None],
    reader: ResourceReader,
) -> None:
    first, committed_lines = run.position
    done_bytes = sum(file.size for file in source_files[:first])
    batches = 0
    for number, file in enumerate(source_files[first:], first):
        lines = reader(file, meter, committed_lines)
        for batch in read_ahead(_fill_batches(lines, run, meter, zone, is_begun=batches > 0)):
            _commit(batch, run, waiting, number)
            if batch.is_full:
                progress(done_bytes + min(file.position(), file.size))
                batches += 1
                if batches in ANALYZED_AFTER_BATCHES:
                    _analyze_tables()
        done_bytes += file.size
        progress(done_bytes)
        committed_lines = 0


def _fill_batches(
    lines: Iterator[ReadResource],
    run: ImportRun,
    meter: InputMeter,
    zone: ZoneInfo,
    *,
    is_begun: bool,
) -> Generator[Batch, None, None]:
    """Translate the lines of a file, and yield batches of them."""

    def new_batch(*, is_first: bool = False) -> Batch:
        seen: dict[RecordKey, bool] | None = {} if run.is_complete else None
        return Batch(meter.limits, run.source_state, zone, is_first=is_first, seen=seen)

    batch = new_batch(is_first=not is_begun)
    for line in lines:
        batch.add(line)
        if batch.is_full:
            yield batch
            batch = new_batch()
    if batch.lines:
        yield batch


def _commit(batch: Batch, run: ImportRun, waiting: WaitingFacts, file_number: int) -> None:
    try:
        with run.batch_transaction(next_part=file_number, next_line=batch.last_ordinal):
            store_base_url(run.source_state)
            waiting.write(batch)
            note_records(batch, run)
            run.count(batch)
    except QuotaExceededError as error:
        raise OverQuotaError(error, batch.first_place) from None
    run.refuse_share()


def _find_duplicates(run: ImportRun, meter: InputMeter) -> None:
    """Find the possible duplicates of the patients that the import wrote.

    If the import's time is used up, `flask patients duplicates` finds the rest.
    """
    with suppress(ImportTimeError):
        for _ in find_duplicates_since(run.id, run.batch_transaction):
            meter.check_time()


def _nothing_imported(
    run: ImportRun, source_files: Sequence[SourceFile]
) -> tuple[str, LineFault] | tuple[str]:
    """Return why an import without any record failed, and the fault if it has none yet.

    An import that stores no faults names none.
    """
    if run.error_count and not run.most_stored_faults:
        return (f"Nothing was imported: {plural(run.error_count, 'error')}.",)
    first = find_first_fault(run.id)
    if first is not None:
        place = f"{first['file']}, line {first['line']}"
        more = f" And {plural(run.error_count - 1, 'other error')}." if run.error_count > 1 else ""
        return (f"Nothing was imported. {place}: {first['reason']}{more}",)
    file = source_files[0].name if len(source_files) == 1 else ""
    return NO_RESOURCES, fault(FaultCode.EMPTY_INPUT, NO_RESOURCES).at(file, 1)


def _analyze_tables() -> None:
    """Update PostgreSQL's statistics, so that it chooses the right indexes for grown tables.

    An error is ignored, because the import is correct without statistics. On a busy server ANALYZE
    may exceed the statement timeout. A dry run would hold the lock of ANALYZE to its end.
    """
    if request_state().rolls_back:
        return
    with suppress(OperationalError), transaction():
        db.session.execute(text(_ANALYZE))
