"""Run an import: batch by batch, each committed with how far it came, so that it can go on."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update

from trially.database.rows import (
    Item,
    columns_named,
    fetch_items,
    find_item,
    insert_item,
    is_ours,
    table_of,
)
from trially.database.session import db, transaction
from trially.recruiting.imports.batches import Tally, take_in
from trially.recruiting.imports.model import ImportDeferral, ImportJob, ImportState
from trially.recruiting.imports.parts import Part
from trially.recruiting.imports.reading import Line, read_resources
from trially.recruiting.imports.writing import analyze_tables, name_medications

BATCH_LINES = 1_000
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

ANALYZED_AFTER_BATCHES = frozenset({1, 4, 16, 64, 256, 1024})
COUNTED = ("read", "new", "changed", "entered_in_error")
"""What is counted of each type of resource."""

Progress = Callable[[int], None]
"""Told how many bytes of the input, as stored, are done with."""


def run_import(
    parts: Sequence[Part],
    *,
    source: str,
    fingerprint: str,
    strict: bool = False,
    started_by: str | None = None,
    most_bytes: int | None = None,
    progress: Progress = lambda _done: None,
) -> Item:
    """Bring in what `parts` hold, and return the import as it ended.

    If an import of the same input was cut off, go on behind its last committed batch. Each batch
    is one transaction of the current tenant. With `strict`, the first bad line ends the import as
    failed; what was committed before it stays.
    """
    with transaction():
        job = _find_unfinished(source, fingerprint) or insert_item(
            ImportJob,
            {
                "source": source,
                "fingerprint": fingerprint,
                "strict": strict,
                "started_by": started_by,
                "counts": {},
                "passed_over": {},
            },
            (*SHOWN, "next_part", "next_line"),
        )
    run = _Run(job, strict=strict)
    done_bytes = sum(part.size for part in parts[: job["next_part"]])
    for number, part in enumerate(parts):
        if number < job["next_part"]:
            continue
        skip = job["next_line"] if number == job["next_part"] else 0
        for lines in _batched(read_resources(part, skip, most_unpacked_bytes=most_bytes)):
            run.take(lines, next_part=number, next_line=lines[-1].ordinal)
            progress(done_bytes + min(part.position(), part.size))
            if run.has_failed:
                return run.finish()
        done_bytes += part.size
    run.take_up_deferrals()
    return run.finish()


def fingerprint_of(parts: Sequence[Part]) -> str:
    """Digest what files an import has: their names and sizes."""
    listing = "\n".join(f"{part.size} {part.name}" for part in parts)
    return hashlib.sha256(listing.encode()).hexdigest()


def has_run(fingerprint: str) -> bool:
    """Tell whether an import of this input has been done in the current tenant."""
    job = table_of(ImportJob)
    statement = select(job.c.id).where(
        is_ours(ImportJob),
        job.c.fingerprint == fingerprint,
        job.c.state == ImportState.DONE,
    )
    return db.session.execute(statement.limit(1)).first() is not None


class _Run:
    """One import at work: what it has come to, and where it is."""

    def __init__(self, job: Item, *, strict: bool) -> None:
        self._id: UUID = job["id"]
        self._source: str = job["source"]
        self._strict = strict
        self._counts: dict[str, dict[str, int]] = job["counts"]
        self._passed_over: dict[str, int] = job["passed_over"]
        self._errors: int = job["error_count"]
        self._failure: str | None = None
        self._batches = 0

    @property
    def has_failed(self) -> bool:
        """Whether a bad line has ended it."""
        return self._failure is not None

    def take(self, lines: Sequence[Line], **position: int) -> None:
        """Take in a batch and remember where it ended, in one transaction."""
        with transaction():
            self._count(take_in(lines, self._id, self._source, is_last_chance=False))
            self._record(position)
        self._batches += 1
        if self._batches in ANALYZED_AFTER_BATCHES:
            with transaction():
                analyze_tables()

    def take_up_deferrals(self) -> None:
        """Take in what came before its patient did, and name medications that came late."""
        deferral = table_of(ImportDeferral)
        is_its_own = is_ours(ImportDeferral) & (deferral.c.import_id == self._id)
        while not self.has_failed:
            with transaction():
                rows = db.session.execute(
                    select(deferral.c.id, deferral.c.file, deferral.c.line, deferral.c.resource)
                    .where(is_its_own)
                    .order_by(deferral.c.id)
                    .limit(BATCH_LINES)
                ).all()
                if not rows:
                    break
                lines = [Line(row.file, row.line, row.resource, None, 0) for row in rows]
                tally = take_in(lines, self._id, self._source, is_last_chance=True)
                tally.read.clear()
                tally.entered_in_error.clear()
                self._count(tally)
                db.session.execute(
                    delete(deferral).where(is_its_own, deferral.c.id.in_([row.id for row in rows]))
                )
                self._record({})
        with transaction():
            name_medications(self._source)
            analyze_tables()

    def finish(self) -> Item:
        """Record how it ended, and return it."""
        state = ImportState.FAILED if self.has_failed else ImportState.DONE
        with transaction():
            self._record({"state": state, "failure": self._failure, "ended_at": func.now()})
            finished = find_item(ImportJob, self._id, SHOWN)
        assert finished is not None  # noqa: S101
        return finished

    def _count(self, tally: Tally) -> None:
        for kind, number in tally.read.items():
            self._of(kind)["read"] += number
        for (kind, fate), number in tally.written.items():
            self._of(kind)[fate] += number
        for kind, number in tally.entered_in_error.items():
            self._of(kind)["entered_in_error"] += number
        for kind, number in tally.passed_over.items():
            self._passed_over[kind] = self._passed_over.get(kind, 0) + number
        self._errors += len(tally.faults)
        if self._strict and tally.faults and not self.has_failed:
            first = tally.faults[0]
            self._failure = f"{first['file']}, line {first['line']}: {first['reason']}"[:500]

    def _of(self, kind: str) -> dict[str, int]:
        return self._counts.setdefault(kind, dict.fromkeys(COUNTED, 0))

    def _record(self, values: dict[str, Any]) -> None:
        job = table_of(ImportJob)
        db.session.execute(
            update(job)
            .where(is_ours(ImportJob), job.c.id == self._id)
            .values(
                counts=self._counts,
                passed_over=self._passed_over,
                error_count=self._errors,
                updated_at=func.now(),
                **values,
            )
        )


def _find_unfinished(source: str, fingerprint: str) -> Item | None:
    job = table_of(ImportJob)
    statement = (
        select(*columns_named(ImportJob, (*SHOWN, "next_part", "next_line")))
        .where(
            is_ours(ImportJob),
            job.c.fingerprint == fingerprint,
            job.c.source == source,
            job.c.state == ImportState.RUNNING,
        )
        .order_by(job.c.id.desc())
        .limit(1)
        .with_for_update()
    )
    return next(iter(fetch_items(statement)), None)


def _batched(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while batch := list(islice(lines, BATCH_LINES)):
        yield batch
