"""Fill many tenants: a few of each server at a time, within a rate, and the others if one fails."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event, Lock, Thread
from typing import Any

from flask import Flask, current_app

from trially.backfills.filling import NOWHERE, Position, count_left, fill_tenant
from trially.backfills.model import BackfillState
from trially.backfills.pace import Pace, TenantPace
from trially.backfills.registry import NamedBackfill
from trially.database.connection_shares import connections_of_command
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.migrating.migration_failures import answers
from trially.tenancy.migrating.pacing import Rate, is_lost_server
from trially.tenancy.migrating.places import read_places
from trially.tenancy.migrating.planning import NotATenantError
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.schema.revision_files import TENANT_LINEAGE
from trially.tenancy.schema.revisions import Revision, compare, needed_revision

TICK_SECONDS = 0.2


class Outcome(StrEnum):
    """What became of one backfill of one tenant."""

    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """The command was interrupted. The next one goes on."""

    NOT_MIGRATED = "not_migrated"
    """The tenant is not at the revision that the backfill needs, or this version serves it not."""

    UNREACHABLE = "unreachable"
    """Its server does not answer."""


@dataclass(frozen=True)
class Filled:
    """The outcome of one backfill of one tenant."""

    slug: str
    server: str
    name: str
    outcome: Outcome
    position: Position = NOWHERE
    error: str | None = None

    def as_item(self) -> dict[str, Any]:
        """Return the values that the commands print."""
        return {
            "slug": self.slug,
            "server": self.server,
            "backfill": self.name,
            "state": self.outcome.value,
            "visited": self.position.visited,
            "changed": self.position.changed,
            "error": self.error,
        }


@dataclass
class FillingProgress:
    """How far the command is. Threads write it."""

    total: int
    """The number of tenants, times that of backfills."""

    pace: Pace = field(init=False)
    filled: list[Filled] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        """Begin to measure the pace."""
        self.pace = Pace(self.total)


@dataclass(frozen=True)
class FillingOptions:
    """How fast tenants are filled."""

    workers: int = 2
    """The most tenants of one server at a time."""

    rate: float = 5_000.0
    """The most rows of one server in a second."""


def find_tenants(slugs: Sequence[str]) -> list[PlacementRecord]:
    """Return the placements of the tenants with these slugs; without any, of all.

    Raises `NotATenantError`.
    """
    records = {each.tenant.slug: each for place in read_places() for each in place.records}
    for slug in slugs:
        if slug not in records:
            raise NotATenantError(f"There is no tenant {slug!r}. `flask tenants list` shows all.")
    return [records[slug] for slug in slugs or records]


def run_backfills(
    backfills: Sequence[NamedBackfill],
    records: Sequence[PlacementRecord],
    options: FillingOptions,
    watch: Callable[[FillingProgress], None] = lambda _progress: None,
) -> FillingProgress:
    """Run backfills one after the other, each over all tenants, and return what became of each."""
    progress = FillingProgress(len(backfills) * len(records))
    for named in backfills:
        _Run(named, options, progress).execute(records, watch)
    return progress


def needs_migration(record: PlacementRecord, named: NamedBackfill) -> bool:
    """Return whether a tenant must be migrated before a backfill."""
    revision = record.revision
    if compare(revision, needed_revision(TENANT_LINEAGE)) in {Revision.OUTDATED, Revision.UNKNOWN}:
        return True
    return revision is None or int(revision) < int(named.revision)


class _Run:
    """One backfill over all tenants."""

    def __init__(
        self, named: NamedBackfill, options: FillingOptions, progress: FillingProgress
    ) -> None:
        self._named, self._options, self._progress = named, options, progress
        self._stopping = Event()
        self._lost: set[str] = set()
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def execute(
        self, records: Sequence[PlacementRecord], watch: Callable[[FillingProgress], None]
    ) -> None:
        """Fill the tenants of all servers at the same time."""
        with self._working(records) as threads:
            while any(thread.is_alive() for thread in threads):
                watch(self._progress)
                for thread in threads:
                    thread.join(TICK_SECONDS / len(threads))

    @contextmanager
    def _working(self, records: Sequence[PlacementRecord]) -> Iterator[list[Thread]]:
        threads = self._start(records)
        try:
            yield threads
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()

    def _start(self, records: Sequence[PlacementRecord]) -> list[Thread]:
        queues: dict[str, deque[PlacementRecord]] = {}
        for record in records:
            queues.setdefault(record.server.name, deque()).append(record)
        workers = max(1, min(self._options.workers, connections_of_command()))
        threads = []
        for server, queue in queues.items():
            rate = Rate(self._options.rate)
            threads += [
                Thread(target=self._work, args=(queue, rate), name=f"fill {server}", daemon=True)
                for _ in range(min(workers, len(queue)))
            ]
        for thread in threads:
            thread.start()
        return threads

    def _work(self, queue: "deque[PlacementRecord]", rate: Rate) -> None:
        while True:
            try:
                record = queue.popleft()
            except IndexError:
                return
            with self._app.app_context():
                filled = self._fill(record, rate)
            with self._progress.lock:
                self._progress.filled.append(filled)

    def _fill(self, record: PlacementRecord, rate: Rate) -> Filled:
        with self._progress.pace.tenant() as pace:
            return self._fill_at(pace, record, rate)

    def _fill_at(self, pace: TenantPace, record: PlacementRecord, rate: Rate) -> Filled:
        slug, server = record.tenant.slug, record.server.name
        if self._stopping.is_set():
            return self._filled(record, Outcome.STOPPED)
        if needs_migration(record, self._named):
            return self._filled(record, Outcome.NOT_MIGRATED, error=f"It is at {record.revision}.")
        if server in self._lost:
            return self._filled(record, Outcome.UNREACHABLE)
        try:
            pace.expect(count_left(slug, self._named))
            position = fill_tenant(
                slug, self._named, rate=rate, stopping=self._stopping, report=pace.visit
            )
        except Exception as error:  # noqa: BLE001  other tenants must be filled
            outcome = Outcome.FAILED
            if is_lost_server(error) and not answers(server):
                self._lost.add(server)
                outcome = Outcome.UNREACHABLE
            return self._filled(record, outcome, error=describe_failure(error))
        is_done = position.state == BackfillState.DONE
        return self._filled(record, Outcome.DONE if is_done else Outcome.STOPPED, position)

    def _filled(
        self,
        record: PlacementRecord,
        outcome: Outcome,
        position: Position = NOWHERE,
        error: str | None = None,
    ) -> Filled:
        return Filled(
            record.tenant.slug, record.server.name, self._named.name, outcome, position, error
        )
