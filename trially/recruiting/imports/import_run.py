"""One run of an import: its counts, its position in the input, and its batches."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from trially.database.model import length_of
from trially.database.placement import current_placement
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
from trially.recruiting.imports.batch_lease import BatchLease, LeaseLostError, lock_until_commit
from trially.recruiting.imports.model import ImportJob, ImportState
from trially.recruiting.imports.writing.batches import Batch, LineFault, record_faults

SHOWN_COLUMNS = (
    "id",
    "source",
    "state",
    "strict",
    "counts",
    "passed_over",
    "error_count",
    "failure",
    "started_by",
    "created_at",
    "updated_at",
    "ended_at",
)
COUNTED = ("read", "new", "changed", "entered_in_error")
"""The counts that an import has for each type of resource."""

MOST_TYPES_NAMED = 200
OTHER_TYPES = "(other)"
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

    def __init__(self, *, source: str, fingerprint: str, strict: bool, started_by: str | None):
        self.source = source
        self._is_strict = strict
        lock_key = f"import {current_placement().tenant_id} {source}"
        with transaction():
            lock_until_commit(lock_key)
            row = _find_unfinished(source, fingerprint) or insert_item(
                ImportJob,
                {
                    "source": source,
                    "fingerprint": fingerprint,
                    "started_by": started_by,
                    "counts": {},
                    "passed_over": {},
                },
                _READ_COLUMNS,
            )
            self.id: UUID = row["id"]
            self.created_at: dt.datetime = row["created_at"]
            self.position: tuple[int, int] = row["next_part"], row["next_line"]
            """Position of the file to continue with, and the number of its committed lines."""
            self._counts: dict[str, dict[str, int]] = row["counts"]
            self._ignored: dict[str, int] = row["passed_over"]
            self._error_count: int = row["error_count"]
            self._lease = BatchLease(ImportJob, self.id, lock_key, {"strict": strict})

    @contextmanager
    def batch_transaction(self, **values: Any) -> Iterator[None]:
        """Run one batch in a transaction, and store the counts and `values` at its end.

        All imports of one source run their batches one after another, because they may write the
        same rows in different orders. Raises `ImportTakenOverError` before the batch begins.
        """
        try:
            with self._lease.batch_transaction(lambda: {**self._progress(), **values}):
                yield
        except LeaseLostError as error:
            raise ImportTakenOverError(
                "This import was started again by another process, which continues it."
            ) from error

    def count(self, batch: Batch) -> None:
        """Add the counts of a written batch, and store its faults.

        Raises `BadLineError` if the import is strict and the batch has a fault.
        """
        if batch.faults and self._is_strict:
            raise BadLineError(batch.faults[0])
        record_faults(batch.faults, self.id)
        self._error_count += len(batch.faults)
        for kind, number in batch.read.items():
            self._counts_of(kind)["read"] += number
        for kind, number in batch.entered_in_error.items():
            self._counts_of(kind)["entered_in_error"] += number
        for (kind, outcome), number in batch.written.items():
            self._counts_of(kind)[outcome] += number
        for kind, number in batch.ignored.items():
            is_named = kind in self._ignored or len(self._ignored) < MOST_TYPES_NAMED
            name = kind if is_named else OTHER_TYPES
            self._ignored[name] = self._ignored.get(name, 0) + number

    def finish(self) -> Item:
        """Set the state to done, and return the import."""
        return self._end({"state": ImportState.DONE})

    def fail(self, fault: LineFault) -> Item:
        """Set the state to failed because of a fault, and return the import."""
        self._error_count += 1
        failure = f"{fault.file}, line {fault.line}: {fault.reason}"
        failure = failure[: length_of(ImportJob.failure)]
        return self._end({"state": ImportState.FAILED, "failure": failure}, fault)

    def _end(self, values: dict[str, Any], *faults: LineFault) -> Item:
        with self.batch_transaction(**values, ended_at=func.now()):
            record_faults(faults, self.id)
        with transaction():
            ended = find_item(ImportJob, self.id, SHOWN_COLUMNS)
        assert ended is not None  # noqa: S101
        return ended

    def _counts_of(self, kind: str) -> dict[str, int]:
        return self._counts.setdefault(kind, dict.fromkeys(COUNTED, 0))

    def _progress(self) -> dict[str, Any]:
        return {
            "counts": self._counts,
            "passed_over": self._ignored,
            "error_count": self._error_count,
        }


def _find_unfinished(source: str, fingerprint: str) -> Item | None:
    job = table_of(ImportJob)
    statement = (
        select(*columns_named(ImportJob, _READ_COLUMNS))
        .where(
            of_current_tenant(ImportJob),
            job.c.fingerprint == fingerprint,
            job.c.source == source,
            job.c.state == ImportState.RUNNING,
        )
        .order_by(job.c.id.desc())
        .limit(1)
    )
    return next(iter(fetch_items(statement)), None)
