"""The row of an import: what it has come to, where it is, and whose turn it is."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update

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
from trially.database.session import db, transaction
from trially.errors import OperatorError
from trially.recruiting.imports.model import ImportJob, ImportState
from trially.recruiting.imports.writing.batches import Batch, Fault, record_faults

SHOWN = (
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
"""What is counted of each type of resource."""

MOST_TYPES_NAMED = 200
OTHER_TYPES = "(other)"
_READ = (*SHOWN, "next_part", "next_line")


class ImportTakenOverError(OperatorError):
    """The same import has been started again, and goes on there."""


class BadLineError(Exception):
    """A bad line ends a strict import."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


class Job:
    """One import at work, begun or gone on with.

    The last to go on with an import has it: the process that had it before notices at its next
    batch, which it then leaves alone.
    """

    def __init__(self, *, source: str, fingerprint: str, strict: bool, started_by: str | None):
        self.source = source
        self._is_strict = strict
        with transaction():
            _wait_for_turn(source)
            found = _find_unfinished(source, fingerprint) or insert_item(
                ImportJob,
                {
                    "source": source,
                    "fingerprint": fingerprint,
                    "started_by": started_by,
                    "counts": {},
                    "passed_over": {},
                },
                _READ,
            )
            self.id: UUID = found["id"]
            self.began_at: dt.datetime = found["created_at"]
            self.position: tuple[int, int] = found["next_part"], found["next_line"]
            """The part to go on with, and how many of its lines are done with."""
            self._counts: dict[str, dict[str, int]] = found["counts"]
            self._passed_over: dict[str, int] = found["passed_over"]
            self._errors: int = found["error_count"]
            self._touched_at = self._record({"strict": strict})

    @contextmanager
    def batch_transaction(self, **values: Any) -> Iterator[None]:
        """Do one batch's work in a transaction of its own, which also records `values`.

        Batches of one source take turns, whatever their import: they may write the same rows,
        and in any order.
        """
        with transaction():
            _wait_for_turn(self.source)
            found = find_item(ImportJob, self.id, ("updated_at",))
            if found is None or found["updated_at"] != self._touched_at:
                raise ImportTakenOverError("This import was started again, and goes on there.")
            yield
            touched_at = self._record(values)
        self._touched_at = touched_at

    def count(self, batch: Batch) -> None:
        """Add what a batch came to, or raise `BadLineError` where bad lines are not borne."""
        if batch.faults and self._is_strict:
            raise BadLineError(batch.faults[0])
        record_faults(batch.faults, self.id)
        self._errors += len(batch.faults)
        for kind, number in batch.read.items():
            self._counts_of(kind)["read"] += number
        for kind, number in batch.entered_in_error.items():
            self._counts_of(kind)["entered_in_error"] += number
        for (kind, fate), number in batch.written.items():
            self._counts_of(kind)[fate] += number
        for kind, number in batch.passed_over.items():
            is_named = kind in self._passed_over or len(self._passed_over) < MOST_TYPES_NAMED
            name = kind if is_named else OTHER_TYPES
            self._passed_over[name] = self._passed_over.get(name, 0) + number

    def finish(self) -> Item:
        """Record that it is done, and return it."""
        return self._end({"state": ImportState.DONE})

    def fail(self, fault: Fault) -> Item:
        """Record the bad line that ended it, and return it."""
        self._errors += 1
        where = f"{fault.file}, line {fault.line}: {fault.reason}"
        return self._end({"state": ImportState.FAILED, "failure": where[:500]}, fault)

    def _end(self, values: dict[str, Any], *faults: Fault) -> Item:
        with self.batch_transaction(**values, ended_at=func.now()):
            record_faults(faults, self.id)
        with transaction():
            ended = find_item(ImportJob, self.id, SHOWN)
        assert ended is not None  # noqa: S101
        return ended

    def _counts_of(self, kind: str) -> dict[str, int]:
        return self._counts.setdefault(kind, dict.fromkeys(COUNTED, 0))

    def _record(self, values: dict[str, Any]) -> dt.datetime:
        job = table_of(ImportJob)
        touched_at: dt.datetime = db.session.execute(
            update(job)
            .where(of_current_tenant(ImportJob), job.c.id == self.id)
            .values(
                counts=self._counts,
                passed_over=self._passed_over,
                error_count=self._errors,
                updated_at=func.now(),
                **values,
            )
            .returning(job.c.updated_at)
        ).scalar_one()
        return touched_at


def _wait_for_turn(source: str) -> None:
    key = f"import {current_placement().tenant_id} {source}"
    db.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key}
    )


def _find_unfinished(source: str, fingerprint: str) -> Item | None:
    job = table_of(ImportJob)
    statement = (
        select(*columns_named(ImportJob, _READ))
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
