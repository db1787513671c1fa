"""Wake-ups: when a worker looks for jobs of each tenant. They are rows of the catalog.

A wake-up is written after the commit of the transaction that wrote the job, so a worker that visits
the tenant sees the job. A crash between the two loses no job: every tenant always has a row, and a
worker visits each tenant within `TRIALLY_JOB_SWEEP_SECONDS` in any case.

A visit takes the row that has been due for longest, and puts it back at the end of the queue. So
tenants are served in turn, however many jobs one of them has.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, CursorResult, TextClause, text
from sqlalchemy.exc import ProgrammingError

from trially.config import current_settings
from trially.database.placement import current_placement
from trially.request_state import request_state
from trially.state import app_state
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.catalog_reader import CatalogUnavailableError, catalog_reader
from trially.tenancy.catalog_sessions import control_engine, reader_engine

log = logging.getLogger(__name__)

VISIT_SECONDS = 5.0
"""After this time, another worker may visit a tenant whose visitor has not returned its turn."""

MOST_TURNS = 8
"""Turns that a worker takes at once, which saves round trips."""

READ_SECONDS = 5.0
"""How often a process reads how many jobs wait, however often it is asked."""

OVERDUE_SECONDS = 60.0
"""If a tenant with jobs has waited longer for a visit, no worker is running, or too few are."""

_NEED_NOT_WAIT = "SET LOCAL synchronous_commit TO off; "
"""A crash of the catalog may lose the last turns. Workers then visit those tenants once more."""

_WAKE = text(f"{_NEED_NOT_WAIT} SELECT wake_worker(:tenant_id)")

_ADD_TENANTS = text(
    """
    INSERT INTO job_wakeup (tenant_id, due_at)
    SELECT id, now() + random() * make_interval(secs => :sweep) FROM tenant
    ON CONFLICT DO NOTHING
    """
)

_TAKE = text(
    f"""
    {_NEED_NOT_WAIT}
    WITH due AS MATERIALIZED (
        SELECT job_wakeup.tenant_id AS chosen FROM job_wakeup
        JOIN tenant ON tenant.id = job_wakeup.tenant_id
        WHERE job_wakeup.due_at <= statement_timestamp()
            AND tenant.status = '{TenantStatus.ACTIVE}'
            AND (:pinned IS NULL OR tenant.id IN (
                SELECT tenant_id FROM tenant_slug WHERE slug = :pinned
            ))
        ORDER BY job_wakeup.due_at LIMIT {2 * MOST_TURNS} FOR UPDATE OF job_wakeup SKIP LOCKED
    ), taken AS MATERIALIZED (
        SELECT chosen, row_number() OVER () AS place,
            chosen = ANY(CAST(:failing AS uuid[])) AS fails FROM due
        LIMIT (SELECT greatest(1, count(*) / 2) FROM due)
    )
    UPDATE job_wakeup SET due_at = clock_timestamp()
        + make_interval(secs => CASE WHEN queued > 0 AND NOT fails THEN 0 ELSE :visit END)
    FROM taken WHERE tenant_id = chosen
    RETURNING tenant_id, generation, queued > 0 AND NOT fails AS stays_due, place
    """
)
"""Takes half of the tenants that are due, so that the other workers find some too.

A tenant with waiting jobs stays due, behind all others. So its turn need not be given back for the
next one. A tenant whose last visit failed does not: its database may hang, and one thread is enough
to find that out.
"""

_GIVE_BACK = text(
    f"""
    {_NEED_NOT_WAIT}
    UPDATE job_wakeup SET
        due_at = CASE WHEN generation = :generation THEN later ELSE least(due_at, later) END,
        seen_generation = greatest(seen_generation, :generation),
        queued = coalesce(:queued, CASE WHEN :waits THEN greatest(queued, 1) WHEN NOT :waits THEN 0
            ELSE queued END),
        running = coalesce(:running, running),
        oldest_at = CASE WHEN NOT :waits THEN NULL WHEN :queued IS NULL THEN oldest_at
            ELSE clock_timestamp() - make_interval(secs => :waited) END
    FROM (SELECT clock_timestamp() + make_interval(secs => :seconds) AS later) AS moment
    WHERE tenant_id = :tenant_id
    """
)

_WAITING = text(
    f"""
    SELECT coalesce(sum(queued), 0), coalesce(sum(running), 0),
        coalesce(extract(epoch FROM clock_timestamp() - min(oldest_at)), 0),
        coalesce(extract(epoch FROM clock_timestamp() - min(job_wakeup.due_at) FILTER (WHERE
            tenant.status = '{TenantStatus.ACTIVE}'
            AND (generation <> seen_generation OR queued > 0 OR running > 0))), 0)
    FROM job_wakeup JOIN tenant ON tenant.id = job_wakeup.tenant_id
    """
)


@dataclass(frozen=True)
class Turn:
    """A worker's turn to visit a tenant."""

    tenant_id: UUID
    generation: int
    stays_due: bool
    """Whether other workers may visit the tenant meanwhile."""

    taken_at: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        """Whether another worker may have taken the turn, because this one did not come to it."""
        return time.monotonic() - self.taken_at > VISIT_SECONDS


@dataclass(frozen=True)
class Counted:
    """How many jobs of a tenant wait and run, and for how many seconds the oldest has waited."""

    queued: int
    running: int
    waited: float | None


@dataclass(frozen=True)
class Waiting:
    """The jobs of all tenants, as workers last counted them."""

    queued: int
    running: int
    oldest_seconds: float
    """How long the oldest of the waiting jobs has waited."""

    overdue_seconds: float
    """For how long a tenant with jobs, or with an expired lease, has waited for a visit."""

    @property
    def are_overdue(self) -> bool:
        """Whether workers are missing."""
        return self.overdue_seconds > OVERDUE_SECONDS


def wake_after_commit() -> None:
    """Wake a worker for the current tenant once the open transaction is committed."""
    waiting, tenant_id = request_state().after_commit, current_placement().tenant_id
    if not any(isinstance(each, partial) and each.args == (tenant_id,) for each in waiting):
        waiting.append(partial(wake, tenant_id))


def wake(tenant_id: UUID) -> None:
    """Let a worker visit a tenant now. If the catalog does not answer, it does so some time later.

    The job is committed already, so that its request must not fail.
    """
    try:
        catalog_reader().ask(partial(_wake, tenant_id))
    except CatalogUnavailableError:
        log.warning("No worker was woken, because the catalog does not answer. Jobs wait longer.")


def add_tenants(sweep_seconds: float) -> None:
    """Give each tenant without a row one that is due within the time of a sweep."""
    with control_engine().begin() as catalog:
        catalog.execute(_ADD_TENANTS, {"sweep": sweep_seconds})


class Queue:
    """The tenants that are due, in turn. One connection to the catalog serves one thread.

    Its statements are transactions of their own, which saves round trips.
    """

    def __init__(self) -> None:
        self._connection: Connection | None = None

    def take_turns(self, failing: Iterable[UUID] = ()) -> list[Turn]:
        """Return the turns of the tenants that have been due for longest, those first.

        Their next turns come after all tenants that are due now. A suspended tenant gets none.
        `failing` are tenants whose last visit failed.
        """
        values = {
            "visit": VISIT_SECONDS,
            "pinned": current_settings().pinned_tenant,
            "failing": [str(each) for each in failing],
        }
        rows = self._execute(_TAKE, values).all()
        in_order = sorted(rows, key=lambda row: row.place)
        return [Turn(row.tenant_id, row.generation, row.stays_due) for row in in_order]

    def give_back(
        self,
        turn: Turn,
        seconds: float,
        counted: Counted | None = None,
        *,
        waits: bool | None = None,
    ) -> None:
        """End a turn. The next one is due after `seconds`, or sooner if the tenant was woken since.

        `counted` is stored for the metrics. `waits` says whether another job waits, if that is
        known.
        """
        self._execute(
            _GIVE_BACK,
            {
                "tenant_id": turn.tenant_id,
                "generation": turn.generation,
                "seconds": max(0.0, seconds),
                "waits": waits,
                "queued": counted.queued if counted else None,
                "running": counted.running if counted else None,
                "waited": counted.waited if counted else None,
            },
        )

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _execute(self, statement: TextClause, values: Mapping[str, Any]) -> CursorResult[Any]:
        if self._connection is None:
            connection = control_engine().connect()
            self._connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            return self._connection.execute(statement, values)
        except BaseException:
            self.close()
            raise


def read_waiting() -> Waiting:
    """Return the jobs of all tenants, as read within the last seconds.

    The catalog must have this version's revision. Raises `CatalogUnavailableError`.
    """
    state = app_state()
    if time.monotonic() >= state.read_jobs_again_at or state.waiting_jobs is None:
        state.waiting_jobs = catalog_reader().ask(_read_waiting)
        state.read_jobs_again_at = time.monotonic() + READ_SECONDS
    return state.waiting_jobs


def waiting_in(catalog: Connection) -> Waiting:
    """Return the jobs of all tenants, as an open connection to the catalog reads them."""
    queued, running, oldest, overdue = catalog.execute(_WAITING).one()
    return Waiting(int(queued), int(running), max(0.0, float(oldest)), max(0.0, float(overdue)))


def _wake(tenant_id: UUID) -> None:
    # An older catalog lacks the function. The reader would take that for no answer.
    with suppress(ProgrammingError), reader_engine().begin() as catalog:
        catalog.execute(_WAKE, {"tenant_id": tenant_id})


def _read_waiting() -> Waiting:
    with reader_engine().connect() as catalog:
        return waiting_in(catalog)
