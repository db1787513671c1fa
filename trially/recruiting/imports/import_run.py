"""One run of an import: its counts, its position in the input, and its batches."""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func

from trially.audit.recording import note
from trially.database.model import length_of
from trially.database.quotas import QuotaExceededError
from trially.database.rows import Item, find_item, insert_item
from trially.database.session import transaction
from trially.errors import OperatorError
from trially.recruiting.imports.batch_lease import BatchLease, LeaseLostError
from trially.recruiting.imports.completeness import give_up, leaves_record_unknown, overtake_others
from trially.recruiting.imports.deleting import delete_rows_of
from trially.recruiting.imports.faults import FaultCode, LineFault, fault
from trially.recruiting.imports.faults.counts import FaultCounts
from trially.recruiting.imports.import_rows import READ_COLUMNS, SHOWN_COLUMNS, find_unfinished
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.missing_records.model import ImportedRecord
from trially.recruiting.imports.model import Completeness, ImportJob, ImportState
from trially.recruiting.imports.run_counts import RunCounts, by_type
from trially.recruiting.imports.slots import LEASE_SECONDS, claim_slot
from trially.recruiting.imports.source_state import load_source
from trially.recruiting.imports.writing.batches import Batch
from trially.recruiting.imports.writing.document_texts import count_unused_binaries
from trially.recruiting.imports.writing.model import ImportBinary
from trially.recruiting.sources.locking import key_of_source, lock_source
from trially.webhooks.emitting import emit
from trially.webhooks.model import EventType


class ImportTakenOverError(OperatorError):
    """Another process was started with the same import, and continues it."""


class BadLineError(Exception):
    """A strict import has read a line that cannot be imported."""

    def __init__(self, fault: LineFault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


class OverQuotaError(Exception):
    """A batch would exceed a quota of the tenant's plan, and is rolled back."""

    def __init__(self, quota: QuotaExceededError, place: tuple[str, int]) -> None:
        super().__init__(f"{quota} The import ended before the batch that would exceed it.")
        self.quota = quota
        self.fault = fault(FaultCode.QUOTA_EXCEEDED, str(self)).at(*place)


@dataclass(frozen=True)
class Caller:
    """How a run of an import speaks with whoever has started it."""

    begun: Callable[[UUID], None] = lambda _import_id: None
    """Called with the import's id in the transaction that begins the run."""

    check: Callable[[], None] = lambda: None
    """Called before each batch. Raises `ImportInterruptedError` if the run must end."""

    progress: Callable[[int], None] = lambda _done: None
    """Called after each batch with the number of committed bytes of the input, as stored."""


SILENT = Caller()
"""A caller that hears nothing and says nothing."""


class ImportRun:
    """A new import, or an interrupted one that continues.

    If two processes run the same import, the one that started last continues. The other one gets
    `ImportTakenOverError` at its next batch.
    """

    def __init__(
        self,
        limits: ImportLimits,
        *,
        source: str,
        fingerprint: str,
        strict: bool,
        started_by: str | None,
        is_complete: bool = False,
        import_id: UUID | None = None,
        caller: Caller = SILENT,
    ) -> None:
        """Claim a slot of the tenant. Raises `TooManyImportsError` if none is free.

        `import_id` continues that import, instead of the unfinished one of the same input.
        """
        self.source = source
        self._caller = caller
        self._limits = limits
        self._is_strict = strict
        with transaction():
            lock_source(source)
            self.source_state = load_source(source)
            row = (
                find_unfinished(source, fingerprint, is_complete=is_complete)
                if import_id is None
                else find_item(ImportJob, import_id, READ_COLUMNS)
            )
            claim_slot(limits.most_of_tenant, row["id"] if row else None)
            row = row or insert_item(
                ImportJob,
                {
                    "source": source,
                    "fingerprint": fingerprint,
                    "started_by": started_by,
                    "counts": {},
                    "passed_over": {},
                    "completeness": Completeness.READING if is_complete else None,
                },
                READ_COLUMNS,
            )
            self.id: UUID = row["id"]
            self.created_at: dt.datetime = row["created_at"]
            self.position: tuple[int, int] = row["next_part"], row["next_line"]
            """Position of the file to continue with, and the number of its committed lines."""
            self._counts = RunCounts(row)
            self._faults = FaultCounts(self.id, row, limits.most_stored_faults)
            self.is_complete = is_complete
            """Whether the input was declared a full export of the source."""
            values = {
                "strict": strict,
                "state": ImportState.RUNNING,
                "failure": None,
                "ended_at": None,
                "lease_until": _lease_end(),
            }
            self._renewed_at = time.monotonic()
            self._lease = BatchLease(ImportJob, self.id, key_of_source(source), values)
            overtake_others(source, self.id)
            note(import_id=self.id, source=source, begins=True)
            caller.begun(self.id)

    @contextmanager
    def batch_transaction(self, **values: Any) -> Iterator[None]:
        """Run one batch in a transaction, and store the counts and `values` at its end.

        All imports of one source run their batches one after another, because they may write the
        same rows in different orders. Before the batch begins, raises `ImportTakenOverError`,
        `ImportInterruptedError` if the caller asks for it, and `TooManyImportsError` if the
        tenant's other imports took the slot in a long pause.
        """
        self._caller.check()
        with self._last_transaction(**values):
            yield

    @contextmanager
    def _last_transaction(self, **values: Any) -> Iterator[None]:
        """Run a batch even if the caller asks the run to end, as it does then."""
        begins_at = time.monotonic()
        try:
            with self._lease.batch_transaction(lambda: {**self._progress(), **values}):
                if begins_at - self._renewed_at > LEASE_SECONDS:
                    claim_slot(self._limits.most_of_tenant, self.id)
                overtake_others(self.source, self.id)
                yield
        except LeaseLostError as error:
            raise ImportTakenOverError(
                "This import was started again by another process, which continues it."
            ) from error
        self._renewed_at = begins_at

    def count(self, batch: Batch) -> None:
        """Add the counts of a written batch, and store its first faults.

        Raises `BadLineError` if the import is strict and the batch has a fault.
        """
        self.count_faults(batch.faults)
        self._counts.add(batch)
        note(import_id=self.id, source=self.source, counts=by_type(batch.written))

    def drop_binaries(self) -> None:
        """Delete the texts of Binary resources, and count those that no document refers to."""
        with self.batch_transaction():
            unused = count_unused_binaries(self.id)
            if unused:
                self._counts.ignore("Binary", unused)
        delete_rows_of(self.id, ImportBinary, self.batch_transaction)

    def finish(self, report: Callable[[], None]) -> Item:
        """Set the state to done, and return the import. `report` records its last faults."""
        return self._end({"state": ImportState.DONE}, report)

    def refuse_share(self) -> None:
        """Raise `ImportLimitError` if too many of the records that were read are refused."""
        refused = self._faults.refused
        self._limits.refuse_share(refused, self._counts.taken_in + refused)

    @property
    def took_nothing(self) -> bool:
        """Whether nothing in the input could be used."""
        return self._counts.is_zero

    @property
    def error_count(self) -> int:
        """Number of all faults."""
        return self._faults.all

    @property
    def most_stored_faults(self) -> int:
        """Number of faults that may have a row."""
        return self._limits.most_stored_faults

    def count_waiting(self, kind: str, number: int) -> None:
        """Count the facts of a type that wait for their patient when the import ends."""
        self._counts.of(kind)["waiting"] = number

    def count_resolved(self, kind: str, number: int) -> None:
        """Count facts of a type that had waited for their patient and were written."""
        self._counts.of(kind)["resolved"] += number

    def count_faults(self, faults: Sequence[LineFault], number: int | None = None) -> None:
        """Count faults, and store as many of them as may be stored.

        `number` counts more faults than are given, all of the kind of the last one. A strict
        import raises `BadLineError` instead.
        """
        if self.is_complete and any(leaves_record_unknown(fault) for fault in faults):
            give_up(self.id)
        if faults and self._is_strict:
            raise BadLineError(min(faults, key=lambda fault: fault.concerns))
        self._faults.record(faults)
        if number is not None and number > len(faults):
            self._faults.add(faults[-1], number - len(faults))

    def fail(self, reason: str, *faults: LineFault) -> Item:
        """Set the state to failed, and return the import. Facts that wait stay."""
        delete_rows_of(self.id, ImportBinary, self.batch_transaction)
        values = {"state": ImportState.FAILED, "failure": reason}

        def report() -> None:
            self._faults.record(faults)
            give_up(self.id)

        return self._end(values, report)

    def cancel(self) -> Item:
        """Set the state to cancelled, and return the import. Facts that wait stay."""
        delete_rows_of(self.id, ImportBinary, self.batch_transaction)
        delete_rows_of(self.id, ImportedRecord, self.batch_transaction)
        return self._end({"state": ImportState.CANCELLED}, lambda: give_up(self.id))

    def stop(self, reason: str) -> Item:
        """Set the state to stopped, from which the import can continue, and return the import."""
        return self._end({"state": ImportState.STOPPED, "failure": reason}, lambda: None)

    def interrupt(self, reason: str) -> None:
        """Set the state to stopped, unless another process has taken the import over."""
        with suppress(Exception):
            self.stop(reason)

    def release(self) -> None:
        """Give up the slot of an interrupted import. If this fails, the slot's lease expires."""
        with suppress(Exception):
            self._lease.store({"lease_until": None})

    def _end(self, values: dict[str, Any], report: Callable[[], None]) -> Item:
        if failure := values.get("failure"):
            values["failure"] = failure[: length_of(ImportJob.failure)]
        with self._last_transaction(**values, ended_at=func.now(), lease_until=None):
            report()
            note(import_id=self.id, source=self.source, ends_as=values["state"])
            if values["state"] != ImportState.STOPPED:
                emit(EventType.IMPORT_FINISHED, import_id=self.id, state=values["state"])
        with transaction():
            ended = find_item(ImportJob, self.id, SHOWN_COLUMNS)
        assert ended is not None  # noqa: S101
        return ended

    def _progress(self) -> dict[str, Any]:
        return {
            **self._counts.columns(),
            **self._faults.columns(),
            "lease_until": _lease_end(),
        }


def _lease_end() -> ColumnElement[Any]:
    return func.clock_timestamp() + dt.timedelta(seconds=LEASE_SECONDS)
