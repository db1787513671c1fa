"""Run migrations over many places: in stages, in parallel on each server, with a ledger."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread

from flask import Flask, current_app

from trially.database.connection_shares import connections_of_command
from trially.tenancy.migrating.attempts import (
    Attempted,
    Failure,
    Patience,
    attempt,
)
from trially.tenancy.migrating.checking import check_places
from trially.tenancy.migrating.ledger import Ledger, find_unfinished
from trially.tenancy.migrating.migration_failures import answers
from trially.tenancy.migrating.owning import MigrationEngine
from trially.tenancy.migrating.pacing import Rate, is_lost_server
from trially.tenancy.migrating.places import Place, PlaceKey, read_places
from trially.tenancy.migrating.planning import RunOptions, Stage, plan_stages
from trially.tenancy.migrating.preparing import one_at_a_time, prepare_servers
from trially.tenancy.migrating.progress import Progress
from trially.tenancy.migrating.tenant_locks import TenantBusyError, TenantLocks, tenant_locks
from trially.tenancy.migration_runs import RunState
from trially.tenancy.schema.lineages import TENANT_LINEAGE, alembic_config
from trially.tenancy.schema.stepping import Steps, load_steps
from trially.tenancy.servers.access import server_access

TICK_SECONDS = 0.25
"""How often outcomes are recorded, and progress is shown."""
LARGEST_BATCH = 100
"""The most outcomes that one transaction records."""


Watch = Callable[[Progress], None]


def migrate_tenants(
    options: RunOptions,
    *,
    to: str = "head",
    resumes: bool = False,
    watch: Watch = lambda _progress: None,
    wait: Callable[[], None] = lambda: None,
) -> Progress:
    """Migrate the tenants' tables, and return what became of each place.

    `watch` is called again and again meanwhile, and `wait` once if another process migrates. Raises
    `UnknownRevisionError`, `TemplateFailedError`, `NothingToResumeError`, `UnknownGroupError` or
    `NotATenantError` before a tenant is touched.
    """
    steps = load_steps(alembic_config(TENANT_LINEAGE))
    target = steps.check(to)
    with one_at_a_time(wait), tenant_locks() as locks:
        only: frozenset[PlaceKey] | None = None
        if resumes:
            run, only = find_unfinished()
            target, options = steps.check(run.target), RunOptions.from_json(run.options)
        stages = plan_stages(read_places(), options)
        if only is not None:
            stages = [_limited(stage, only) for stage in stages]
        prepare_servers(
            {place.server for stage in stages for place in stage.places},
            is_head=target == steps.head,
        )
        return _Run(steps, target, options, stages, watch, locks).execute()


class _Run:
    """The stages of one run, and the threads that work on one of them."""

    def __init__(
        self,
        steps: Steps,
        target: str,
        options: RunOptions,
        stages: Sequence[Stage],
        watch: Watch,
        locks: TenantLocks,
    ) -> None:
        self._steps, self._target, self._options = steps, target, options
        self._watch, self._locks = watch, locks
        self._stages = stages
        self._stopping = Event()
        self._events: SimpleQueue[Place | Attempted | None] = SimpleQueue()
        """Places that threads begin, outcomes, and None from each thread that ends."""

        self._engines: dict[str, MigrationEngine] = {}
        self._rates: dict[str, Rate] = {}
        self._lost: dict[str, Attempted] = {}
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def execute(self) -> Progress:
        ledger = Ledger.begin(
            self._target, self._options, [_those(each, self._is_behind) for each in self._stages]
        )
        unchecked = [
            place for stage in self._stages for place in stage.places if not self._is_behind(place)
        ]
        late = {place.key for place in check_places(unchecked, self._target, self._workers())}
        ledger.add([_limited(stage, frozenset(late)) for stage in self._stages])
        self._stages = [
            _those(stage, lambda place: self._is_behind(place) or place.key in late)
            for stage in self._stages
        ]
        total = sum(len(stage.places) for stage in self._stages)
        progress = Progress(total, len(unchecked) - len(late))
        progress.state = RunState.INTERRUPTED
        try:
            progress.state = self._run_stages(ledger, progress)
        finally:
            ledger.end(progress.state, progress.at_target)
        self._watch(progress)
        return progress

    def _is_behind(self, place: Place) -> bool:
        """Return whether a place is recorded at another revision. A blank schema has no record."""
        return bool(place.records) and place.revision != self._target

    def _run_stages(self, ledger: Ledger, progress: Progress) -> RunState:
        limit = self._options.failure_limit(progress.total)
        for stage in self._stages:
            progress.stage = stage.name
            before = progress.counted_failures
            self._run_stage(stage, ledger, progress, limit)
            has_failed = stage.stops_at_a_failure and progress.counted_failures > before
            if len(progress.ended) < progress.total and (
                has_failed or progress.counted_failures >= limit
            ):
                return RunState.STOPPED
        return RunState.FAILED if progress.failed or progress.skipped else RunState.DONE

    def _run_stage(self, stage: Stage, ledger: Ledger, progress: Progress, limit: int) -> None:
        """Migrate the places of a stage, on all servers at the same time."""
        threads = self._start(stage)
        working = len(threads)
        try:
            while working:
                begun, ended, resting = self._drain(working)
                working -= resting
                progress.ended += ended
                if progress.counted_failures >= limit:
                    self._stopping.set()
                if begun or ended:
                    ledger.record(begun, ended)
                self._watch(progress)
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()
        self._stopping.clear()

    def _start(self, stage: Stage) -> list[Thread]:
        queues: dict[str, deque[Place]] = {}
        for place in stage.places:
            queues.setdefault(place.server, deque()).append(place)
        threads = [
            Thread(target=self._work, args=(server, queue), name=f"migrate {server}", daemon=True)
            for server, queue in queues.items()
            for _ in range(min(self._workers(), len(queue)))
        ]
        for server in queues:
            self._rates.setdefault(server, Rate(self._options.rate))
        for thread in threads:
            thread.start()
        return threads

    def _work(self, server: str, queue: "deque[Place]") -> None:
        """Migrate the places of one server until none is left, or the run stops."""
        try:
            while not self._stopping.is_set():
                try:
                    place = queue.popleft()
                except IndexError:
                    return
                self._rates[server].wait(self._stopping)
                if self._stopping.is_set():
                    return
                self._events.put(place)
                with self._app.app_context():
                    self._events.put(self._visit(place))
        finally:
            self._events.put(None)

    def _visit(self, place: Place) -> Attempted:
        """Migrate a place, unless an operation works on its tenant."""
        try:
            with self._locks.held(place):
                return self._attempt(place)
        except TenantBusyError as busy:
            at, failure = place.revision, Failure.of(busy)
            return Attempted(place, at, at, 0, 0, failure, busy, is_skipped=True)

    def _attempt(self, place: Place) -> Attempted:
        lost = self._lost.get(place.server)
        if lost is not None:
            return _unreachable(place, lost)
        options = self._options
        try:
            if place.server not in self._engines:
                self._engines[place.server] = MigrationEngine(server_access(place.server))
            attempted = attempt(
                place,
                self._engines[place.server],
                self._steps,
                self._target,
                Patience(options.lock_timeout_ms, options.attempts),
                self._stopping,
            )
        except Exception as error:  # noqa: BLE001  other places must be visited
            failure = Failure.of(error)
            attempted = Attempted(place, place.revision, place.revision, 1, 0, failure, error)
        cause = attempted.error
        if cause is not None and is_lost_server(cause) and not answers(place.server):
            self._lost[place.server] = attempted
            return _unreachable(place, attempted)
        return attempted

    def _drain(self, working: int) -> tuple[list[Place], list[Attempted], int]:
        """Return which places threads have begun and ended, and how many threads have ended.

        It collects for a tick, so that one transaction of the ledger records many places, but no
        longer than a thread works.
        """
        begun: list[Place] = []
        ended: list[Attempted] = []
        resting = 0
        until = time.monotonic() + TICK_SECONDS
        while resting < working and len(ended) < LARGEST_BATCH:
            try:
                event = self._events.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            if event is None:
                resting += 1
            elif isinstance(event, Place):
                begun.append(event)
            else:
                ended.append(event)
        finished = {attempted.place.key for attempted in ended}
        return [place for place in begun if place.key not in finished], ended, resting

    def _workers(self) -> int:
        """Return the number of connections to one server: within the budget of a process."""
        return max(1, min(self._options.workers, connections_of_command()))


def _unreachable(place: Place, lost: Attempted) -> Attempted:
    return Attempted(
        place, place.revision, place.revision, 1, 0, lost.failure, lost.error, is_unreachable=True
    )


def _limited(stage: Stage, only: frozenset[PlaceKey]) -> Stage:
    return _those(stage, lambda place: place.key in only)


def _those(stage: Stage, is_meant: Callable[[Place], bool]) -> Stage:
    kept = [place for place in stage.places if is_meant(place)]
    return Stage(stage.name, kept, stage.stops_at_a_failure)
