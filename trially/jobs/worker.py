"""A worker: threads that visit tenants in turn, and run one job of each at a time."""

import logging
import random
import threading
import time
from collections import Counter, deque
from uuid import UUID

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from trially.database.placement import StalePlacementError, TenantSuspendedError
from trially.database.session import transaction
from trially.errors import OperatorError
from trially.jobs import claiming, wakeups
from trially.jobs.attempts import Attempt, Heart, tenant_of_job
from trially.jobs.chores import do_chores, wait_for_chores
from trially.jobs.claiming import Visit
from trially.jobs.files import delete_old_files
from trially.jobs.kinds import KINDS
from trially.jobs.routines import enqueue_due
from trially.jobs.running import run_job
from trially.jobs.wakeups import Queue, Turn
from trially.observability.metrics import job_seconds, jobs_total
from trially.state import state_of
from trially.tenancy.directory import directory
from trially.tenancy.names import UnknownTenantError
from trially.tenancy.schema.failures import describe_failure

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""How often an idle worker looks for tenants that are due."""

ADD_TENANTS_SECONDS = 60.0
COUNT_SECONDS = 5.0
"""How often the jobs of a tenant with many are counted for the metrics, at most."""

LONGEST_PAUSE_SECONDS = 60.0
STOP_SECONDS = 25.0
"""How long a worker that is told to end waits for its running steps."""


class WorkerStuckError(OperatorError):
    """A step does not end, so that the worker must."""


def _delete_old_files() -> None:
    """Delete the files of the current tenant that were kept for long enough."""
    with transaction():
        for kind in KINDS.values():
            if kind.file_hours is not None:
                delete_old_files(kind.name, kind.file_hours)


class _Lane:
    """What one thread of a worker has for itself."""

    def __init__(self, app: Flask, lease_seconds: float) -> None:
        self.queue, self.heart = Queue(), Heart(app, lease_seconds)

    def close(self) -> None:
        self.queue.close()
        self.heart.stop()


class Worker:
    """Runs jobs in several threads until `stop` is called."""

    def __init__(self, app: Flask, threads: int | None = None) -> None:
        self._app = app
        settings = state_of(app).settings
        self._lease_seconds = settings.job_lease_seconds
        self._sweep_seconds = settings.job_sweep_seconds
        self._retention_days = settings.job_retention_days
        self._threads = threads or settings.job_threads
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._turns: deque[Turn] = deque()
        """Turns that were taken, and that no thread has come to."""

        self._attempts: set[Attempt] = set()
        self._failures: Counter[UUID] = Counter()
        """Visits of tenants that have failed in a row."""

        self._counted_at: dict[UUID, float] = {}
        self._routines_at: dict[UUID, float] = {}
        """When a routine job of a tenant may be due, by `time.monotonic()`."""

        self._chores_at: dict[UUID, tuple[float, int]] = {}
        """When the chores of a tenant are due, and the wake-ups before they were done last."""

        self._tenants_added_at = float("-inf")

    def run(self) -> None:
        """Run jobs until `stop` is called. Raises `WorkerStuckError` if a step does not end."""
        threads = [
            threading.Thread(target=self._work, name=f"jobs-{number}", daemon=True)
            for number in range(self._threads)
        ]
        for each in threads:
            each.start()
        while not self._stopping.wait(1.0):
            self._refuse_stuck()
        ends_at = time.monotonic() + STOP_SECONDS
        for each in threads:
            each.join(max(0.0, ends_at - time.monotonic()))
        with self._app.app_context():
            wait_for_chores(max(0.0, ends_at - time.monotonic()))

    def run_due(self) -> int:
        """Run the jobs that are due now, in this thread, and return their number.

        `stop` ends it after the step that is running.
        """
        with self._app.app_context():
            self._add_tenants()
        number, lane = 0, _Lane(self._app, self._lease_seconds)
        try:
            while not self._stopping.is_set() and (done := self._visit_next(lane)) is not None:
                number += done
            with self._app.app_context():
                wait_for_chores(STOP_SECONDS)
        finally:
            lane.close()
        return number

    def stop(self) -> None:
        """Take no further job, and end after the steps that are running."""
        self._stopping.set()
        with self._lock:
            for attempt in self._attempts:
                attempt.must_end.set()

    def _work(self) -> None:
        lane = _Lane(self._app, self._lease_seconds)
        while not self._stopping.is_set():
            try:
                is_idle = self._visit_next(lane) is None
            except Exception as error:  # noqa: BLE001  such as a catalog that does not answer
                log.warning("A worker could not look for jobs: %s", describe_failure(error))
                is_idle = True
            if is_idle:
                self._stopping.wait(LOOK_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
        lane.close()

    def _visit_next(self, lane: "_Lane") -> int | None:
        """Visit the tenant that has waited longest, and return how many jobs were run.

        Returns None if no tenant is due. One thread looks at a time.
        """
        with self._looking, self._app.app_context():
            while self._turns and self._turns[0].is_over:
                self._turns.popleft()
            if not self._turns:
                self._add_tenants()
                self._turns.extend(lane.queue.take_turns(list(self._failures)))
            turn = self._turns.popleft() if self._turns else None
        return None if turn is None else self._visit(turn, lane)

    def _visit(self, turn: Turn, lane: "_Lane") -> int:
        """Claim a job of a tenant, return the turn, and run the job. Returns the number of jobs."""
        try:
            visit = self._claim_where_placed(turn)
        except Exception as error:  # noqa: BLE001  the other tenants must be served
            self._postpone(turn, error, lane)
            return 0
        self._failures.pop(turn.tenant_id, None)
        seconds = min(
            self._sweep_seconds * random.uniform(0.5, 1),  # noqa: S311  spreads visits
            float("inf") if visit.next_seconds is None else visit.next_seconds,
            self._routines_at[turn.tenant_id] - time.monotonic(),
            self._chores_at[turn.tenant_id][0] - time.monotonic(),
            # The job that begins now may be abandoned.
            float("inf") if visit.job is None else self._lease_seconds,
        )
        if seconds > 0 or visit.counted is not None or not turn.stays_due:
            self._give_back(turn, seconds, visit, lane)
        if visit.job is None:
            self._counted_at.pop(turn.tenant_id, None)
            return 0
        self._run(Attempt(visit.job, KINDS[visit.job.kind]), lane)
        return 1

    def _claim_where_placed(self, turn: Turn) -> Visit:
        """Claim a job of a tenant. If the tenant has moved, it is visited at its new place."""
        counts = self._must_count(turn)
        try:
            return self._claim(turn, counts=counts)
        except StalePlacementError:
            with self._app.app_context():
                directory().forget(turn.tenant_id)
            return self._claim(turn, counts=counts)

    def _claim(self, turn: Turn, *, counts: bool) -> Visit:
        with tenant_of_job(self._app, turn.tenant_id):
            self._ask_for_routines(turn.tenant_id)
            self._do_chores(turn)
            visit = claiming.claim(KINDS, claiming.most_jobs(), self._lease_seconds, counts=counts)
            if visit.job is None:
                claiming.delete_ended(self._retention_days)
                _delete_old_files()
            return visit

    def _ask_for_routines(self, tenant_id: UUID) -> None:
        """Ask for the routine jobs of the current tenant, if it is time to look for them.

        It comes before the claim, because they come before other jobs of the same time.
        """
        now = time.monotonic()
        if now >= self._routines_at.get(tenant_id, now):
            self._routines_at[tenant_id] = now + min(enqueue_due(), self._sweep_seconds)

    def _do_chores(self, turn: Turn) -> None:
        """Do the chores of the current tenant, if they are due or somebody has woken it since."""
        now, (due_at, seen) = time.monotonic(), self._chores_at.get(turn.tenant_id, (0.0, -1))
        if now >= due_at or turn.generation != seen:
            due_at = now + min(do_chores(), self._sweep_seconds)
            self._chores_at[turn.tenant_id] = due_at, turn.generation

    def _run(self, attempt: Attempt, lane: "_Lane") -> None:
        with self._lock:
            self._attempts.add(attempt)
            if self._stopping.is_set():
                attempt.must_end.set()
        began = time.perf_counter()
        try:
            outcome = run_job(self._app, attempt, lane.heart)
        except Exception as error:  # noqa: BLE001  its lease will expire
            log.warning("The end of a job was not recorded: %s", describe_failure(error))
            outcome = "unrecorded"
        finally:
            with self._lock:
                self._attempts.discard(attempt)
        seconds = time.perf_counter() - began
        log.info(
            "An attempt to run a job %s ended as %s after %.3f s.",
            attempt.kind.name,
            outcome,
            seconds,
            extra={"tenant_id": str(attempt.job.tenant_id), "job_id": str(attempt.job.id)},
        )
        job_seconds.labels(attempt.kind.name).observe(seconds)
        jobs_total.labels(attempt.kind.name, str(outcome)).inc()

    def _give_back(self, turn: Turn, seconds: float, visit: Visit, lane: "_Lane") -> None:
        """Return a turn. If the catalog is away, the claimed job is run all the same."""
        try:
            with self._app.app_context():
                lane.queue.give_back(turn, seconds, visit.counted, waits=visit.leaves_waiting)
        except SQLAlchemyError as error:
            log.warning("A turn was not returned: %s", describe_failure(error))

    def _must_count(self, turn: Turn) -> bool:
        """Return whether the jobs of a tenant were not counted of late."""
        now = time.monotonic()
        if now - self._counted_at.get(turn.tenant_id, float("-inf")) < COUNT_SECONDS:
            return False
        self._counted_at[turn.tenant_id] = now
        return True

    def _postpone(self, turn: Turn, error: Exception, lane: "_Lane") -> None:
        """Visit a tenant again later."""
        with self._app.app_context():
            self._failures[turn.tenant_id] += 1
            longest = min(2.0 ** self._failures[turn.tenant_id], LONGEST_PAUSE_SECONDS)
            if isinstance(error, UnknownTenantError | TenantSuspendedError | StalePlacementError):
                directory().forget(turn.tenant_id)
            log.warning(
                "The jobs of a tenant wait: %s",
                describe_failure(error),
                extra={"tenant_id": str(turn.tenant_id)},
            )
            lane.queue.give_back(turn, longest * random.uniform(0.5, 1))  # noqa: S311

    def _add_tenants(self) -> None:
        now = time.monotonic()
        if now - self._tenants_added_at > ADD_TENANTS_SECONDS:
            wakeups.add_tenants(self._sweep_seconds)
            self._tenants_added_at = now

    def _refuse_stuck(self) -> None:
        with self._lock:
            stuck = [attempt for attempt in self._attempts if attempt.is_stuck]
        if stuck:
            raise WorkerStuckError(
                f"A job {stuck[0].kind.name} has not ended {stuck[0].kind.most_seconds:.0f} s after"
                " it began, which is its limit. This worker ends, so that another one can be"
                " started. The job continues there."
            )
