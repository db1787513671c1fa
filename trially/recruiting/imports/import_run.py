"""One run of an import: its counts, its position in the input, and its batches."""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from trially.audit.recording import note
from trially.database.model import length_of
from trially.database.rows import (
    Item,
    columns_named,
    fetch_items,
    find_item,
    insert_item,
    of_current_tenant,
    table_of,
)
from trially.database.session import transaction
from trially.errors import OperatorError
from trially.recruiting.imports.batch_lease import BatchLease, LeaseLostError
from trially.recruiting.imports.completeness import (
    give_up,
    leaves_record_unknown,
    overtake_others,
)
from trially.recruiting.imports.deleting import delete_rows_of
from trially.recruiting.imports.fault_counts import (
    MOST_TYPES_NAMED,
    OTHER_TYPES,
    FaultCounts,
    count_named,
)
from trially.recruiting.imports.faults import LineFault
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.model import Completeness, ImportBinary, ImportJob, ImportState
from trially.recruiting.imports.slots import LEASE_SECONDS, claim_slot
from trially.recruiting.imports.source_state import load_source
from trially.recruiting.imports.writing.batches import Batch
from trially.recruiting.imports.writing.document_texts import count_unused_binaries
from trially.recruiting.sources.locking import key_of_source, lock_source

OUTCOME_COLUMNS = (
    "source",
    "state",
    "strict",
    "counts",
    "passed_over",
    "error_count",
    "refused_count",
    "error_counts",
    "error_groups",
    "failure",
    "completeness",
    "missing",
)
"""The columns that a dry run of an import has too."""

SHOWN_COLUMNS = (
    "id",
    *OUTCOME_COLUMNS,
    "started_by",
    "created_at",
    "updated_at",
    "ended_at",
    "version",
)
COUNTED = (
    *("read", "new", "changed", "stale", "withdrawn", "erased"),
    *("entered_in_error", "waiting", "resolved"),
)
"""The counts that an import has for each type of resource."""

_READ_COLUMNS = (*SHOWN_COLUMNS, "next_part", "next_line")


class ImportTakenOverError(OperatorError):
    """Another process was started with the same import, and continues it."""


class BadLineError(Exception):
    """A strict import has read a line that cannot be imported."""

    def __init__(self, fault: LineFault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


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
    ) -> None:
        """Claim a slot of the tenant. Raises `TooManyImportsError` if none is free."""
        self.source = source
        self._limits = limits
        self._is_strict = strict
        with transaction():
            lock_source(source)
            self.source_state = load_source(source)
            row = _find_unfinished(source, fingerprint, is_complete=is_complete)
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
                _READ_COLUMNS,
            )
            self.id: UUID = row["id"]
            self.created_at: dt.datetime = row["created_at"]
            self.position: tuple[int, int] = row["next_part"], row["next_line"]
            """Position of the file to continue with, and the number of its committed lines."""
            self._counts: dict[str, dict[str, int]] = row["counts"]
            self._ignored: dict[str, int] = row["passed_over"]
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

    @contextmanager
    def batch_transaction(self, **values: Any) -> Iterator[None]:
        """Run one batch in a transaction, and store the counts and `values` at its end.

        All imports of one source run their batches one after another, because they may write the
        same rows in different orders. Before the batch begins, raises `ImportTakenOverError`, and
        `TooManyImportsError` if the tenant's other imports took the slot in a long pause.
        """
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
        for kind, number in batch.read.items():
            self._counts_of(kind)["read"] += number
        for kind, number in batch.entered_in_error.items():
            self._counts_of(kind)["entered_in_error"] += number
        for (kind, outcome), number in batch.written.items():
            self._counts_of(kind)[outcome] += number
        note(import_id=self.id, source=self.source, counts=_by_type(batch.written))
        for kind, number in batch.ignored.items():
            count_named(self._ignored, kind, number, MOST_TYPES_NAMED, OTHER_TYPES)

    def drop_binaries(self) -> None:
        """Delete the texts of Binary resources, and count those that no document refers to."""
        with self.batch_transaction():
            unused = count_unused_binaries(self.id)
            if unused:
                count_named(self._ignored, "Binary", unused, MOST_TYPES_NAMED, OTHER_TYPES)
        delete_rows_of(self.id, ImportBinary, self.batch_transaction)

    def finish(self, report: Callable[[], None]) -> Item:
        """Set the state to done, and return the import. `report` records its last faults."""
        return self._end({"state": ImportState.DONE}, report)

    def refuse_share(self) -> None:
        """Raise `ImportLimitError` if too many of the records that were read are refused."""
        read = sum(counts["read"] for counts in self._counts.values())
        refused = self._faults.refused
        self._limits.refuse_share(refused, read + sum(self._ignored.values()) + refused)

    @property
    def took_nothing(self) -> bool:
        """Whether nothing in the input could be used."""
        return not self._ignored and not any(
            any(counts.values()) for counts in self._counts.values()
        )

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
        self._counts_of(kind)["waiting"] = number

    def count_resolved(self, kind: str, number: int) -> None:
        """Count facts of a type that had waited for their patient and were written."""
        self._counts_of(kind)["resolved"] += number

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

    def stop(self, reason: str) -> Item:
        """Set the state to stopped, from which the import can continue, and return the import."""
        return self._end({"state": ImportState.STOPPED, "failure": reason}, lambda: None)

    def release(self) -> None:
        """Give up the slot of an interrupted import. If this fails, the slot's lease expires."""
        with suppress(Exception):
            self._lease.store({"lease_until": None})

    def _end(self, values: dict[str, Any], report: Callable[[], None]) -> Item:
        if failure := values.get("failure"):
            values["failure"] = failure[: length_of(ImportJob.failure)]
        with self.batch_transaction(**values, ended_at=func.now(), lease_until=None):
            report()
            note(import_id=self.id, source=self.source, ends_as=values["state"])
        with transaction():
            ended = find_item(ImportJob, self.id, SHOWN_COLUMNS)
        assert ended is not None  # noqa: S101
        return ended

    def _counts_of(self, kind: str) -> dict[str, int]:
        counts = self._counts.setdefault(kind, {})
        for name in COUNTED:
            counts.setdefault(name, 0)
        return counts

    def _progress(self) -> dict[str, Any]:
        return {
            "counts": self._counts,
            "passed_over": self._ignored,
            **self._faults.columns(),
            "lease_until": _lease_end(),
        }


def _by_type(written: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Return the numbers of written records by type and outcome, without those that are 0."""
    counts: dict[str, dict[str, int]] = {}
    for (kind, outcome), number in written.items():
        if number:
            counts.setdefault(kind, {})[outcome] = number
    return counts


def _lease_end() -> ColumnElement[Any]:
    return func.clock_timestamp() + dt.timedelta(seconds=LEASE_SECONDS)


def _find_unfinished(source: str, fingerprint: str, *, is_complete: bool) -> Item | None:
    """Return the unfinished import of this input, if it was declared in the same way.

    The keys of what an import has read are known only if it was declared a full export from the
    beginning.
    """
    job = table_of(ImportJob)
    statement = (
        select(*columns_named(ImportJob, _READ_COLUMNS))
        .where(
            of_current_tenant(ImportJob),
            job.c.fingerprint == fingerprint,
            job.c.source == source,
            job.c.state.in_([ImportState.RUNNING, ImportState.STOPPED]),
            job.c.completeness.in_([Completeness.READING, Completeness.INCOMPLETE])
            if is_complete
            else job.c.completeness.is_(None),
        )
        .order_by(job.c.id.desc())
        .limit(1)
    )
    return next(iter(fetch_items(statement)), None)
