"""Claim jobs of the current tenant, and write to a claimed job for as long as its lease lasts.

A claim is committed before the job runs, so that an attempt that kills its worker counts too. The
lease is the job's `due_at`: once it is over, any worker may claim the job. Each claim has a new
`lease_id`, and a worker that has lost its lease cannot write the job, nor commit with it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import orjson
from sqlalchemy import text

from trially.config import current_settings
from trially.database.changes import note_derived
from trially.database.placement import current_placement
from trially.database.session import db, transaction
from trially.jobs.kinds import LeaseLostError
from trially.jobs.model import JobState
from trially.jobs.wakeups import Counted, wake_after_commit
from trially.tenancy.context import current_tenant
from trially.tenancy.entitlements.limits import Limit

TABLE = "job"

_CLAIM = text(
    """
    SET LOCAL synchronous_commit TO off;
    SELECT pg_advisory_xact_lock(hashtextextended('jobs of ' || CAST(:tenant_id AS text), 0));
    WITH busy AS MATERIALIZED (
        SELECT count(*) AS running, min(due_at) AS lease_ends FROM job
        WHERE tenant_id = :tenant_id AND state = 'running' AND due_at > statement_timestamp()
    ), due AS MATERIALIZED (
        SELECT tenant_id, id, state FROM job
        WHERE tenant_id = :tenant_id AND ended_at IS NULL
            AND due_at <= statement_timestamp() AND kind = ANY(:kinds)
            AND (SELECT running FROM busy) < :most
        ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE job SET state = 'running', attempts = job.attempts + 1, lease_id = :lease_id,
            due_at = clock_timestamp() + make_interval(secs => :lease),
            started_at = coalesce(job.started_at, clock_timestamp()), updated_at = now()
        FROM due WHERE job.tenant_id = due.tenant_id AND job.id = due.id
        RETURNING job.id, job.kind, job.step, job.position, job.parameters, job.attempts,
            job.is_cancelled, job.member_id, job.issuer, job.subject, job.operator,
            job.progress_done, job.progress_total, job.result, due.state AS former_state
    )
    SELECT claimed.*, extract(epoch FROM CASE
            WHEN running + (claimed.id IS NOT NULL)::int >= :most
            THEN least(lease_ends, statement_timestamp() + make_interval(secs => :lease))
            ELSE (SELECT min(due_at) FROM job WHERE tenant_id = :tenant_id
                AND ended_at IS NULL AND kind = ANY(:kinds)
                AND id <> ALL (SELECT id FROM due)) END
        - statement_timestamp()) AS next_seconds
    FROM busy LEFT JOIN claimed ON true
    """
)
"""Claims at most one job. It is one message, so that a visit costs few round trips.

The lock comes first: two workers that count the running jobs of a tenant at once would both claim
the last place. The second statement sees what was committed before it got the lock.

The claim does not wait for the disk. If a crash of the server loses it, the job waits again. What
the job commits afterwards is on disk only together with the claim.
"""

_KEEP_OUT_CLAIMS = text(
    """
    SELECT pg_try_advisory_xact_lock_shared(
        hashtextextended('jobs of ' || CAST(:tenant_id AS text), 0))
    """
)
"""Returns false if a worker claims a job of the tenant at this moment. Else claims wait until this
transaction has ended. A claim and an end that do not see each other would leave a place empty.
"""

_IS_AWAITED = """
    EXISTS (SELECT FROM job AS other WHERE other.tenant_id = :tenant_id AND other.state = 'queued'
        AND other.ended_at IS NULL AND other.due_at <= statement_timestamp())
    AND :most <= (SELECT count(*) FROM job AS other
        WHERE other.tenant_id = :tenant_id AND other.state = 'running')
"""
"""Whether another job waits while, before this statement, as many ran as may."""

_COUNT = text(
    """
    SELECT count(*) FILTER (WHERE state = 'queued') AS queued,
        count(*) FILTER (WHERE state = 'running') AS running,
        extract(epoch FROM statement_timestamp() - min(due_at) FILTER (WHERE state = 'queued'
            AND due_at <= statement_timestamp())) AS waited
    FROM job WHERE tenant_id = :tenant_id AND ended_at IS NULL
    """
)

_DELETE_ENDED = text(
    """
    DELETE FROM job WHERE tenant_id = :tenant_id AND id IN (
        SELECT id FROM job WHERE tenant_id = :tenant_id
            AND ended_at < now() - make_interval(days => :days)
        ORDER BY ended_at LIMIT 1000)
    """
)


@dataclass(frozen=True)
class ClaimedJob:
    """A job that this worker may run."""

    id: UUID
    tenant_id: UUID
    lease_id: UUID
    kind: str
    step: str | None
    position: Mapping[str, Any] | None
    parameters: Mapping[str, Any]
    attempts: int
    is_cancelled: bool
    was_abandoned: bool
    """Whether the worker of an earlier attempt has not renewed its lease."""

    member_id: UUID | None
    issuer: str | None
    subject: str | None
    operator: str | None
    progress_done: int
    progress_total: int | None
    result: Mapping[str, Any] | None


@dataclass(frozen=True)
class Visit:
    """What a worker found at a tenant: a job, if one is due, and when to come again."""

    job: ClaimedJob | None
    next_seconds: float | None
    """Seconds until another job is due and has a place; None if there is none."""

    counted: Counted | None

    @property
    def leaves_waiting(self) -> bool | None:
        """Whether another job waits; None if that is not known."""
        if self.next_seconds is None:
            return False
        return True if self.next_seconds <= 0 else None


def claim(
    kinds: Collection[str], most: int, lease_seconds: float, *, counts: bool = False
) -> Visit:
    """Claim the job of the current tenant that has been due for longest.

    At most `most` jobs of the tenant run at the same time. `counts` counts the jobs afterwards.
    """
    tenant_id, lease_id = current_placement().tenant_id, uuid4()
    with transaction():
        row = db.session.execute(
            _CLAIM,
            {
                "tenant_id": tenant_id,
                "kinds": list(kinds),
                "most": most,
                "lease_id": lease_id,
                "lease": lease_seconds,
            },
        ).one()
        counted = _count_jobs(tenant_id) if counts else None
        note_derived(TABLE)  # The records of steps say what the job does.
    found = dict(row._mapping)  # noqa: SLF001  public, in spite of its name
    seconds, former_state = found.pop("next_seconds"), found.pop("former_state")
    job = None
    if found["id"] is not None:
        was_abandoned = former_state == JobState.RUNNING
        job = ClaimedJob(
            tenant_id=tenant_id, lease_id=lease_id, was_abandoned=was_abandoned, **found
        )
    return Visit(job, None if seconds is None else float(seconds), counted)


def _count_jobs(tenant_id: UUID) -> Counted:
    row = db.session.execute(_COUNT, {"tenant_id": tenant_id}).one()
    return Counted(row.queued, row.running, None if row.waited is None else float(row.waited))


def delete_ended(days: int) -> None:
    """Delete jobs of the current tenant that ended long ago, at most 1,000 at once."""
    with transaction():
        db.session.execute(
            _DELETE_ENDED, {"tenant_id": current_placement().tenant_id, "days": days}
        )
        note_derived(TABLE)


def most_jobs() -> int:
    """Return how many jobs of the current tenant may run at the same time, over all workers."""
    most = current_tenant().plan.most(Limit.CONCURRENT_JOBS)
    return current_settings().jobs_per_tenant if most is None else most


def write_claimed(job: ClaimedJob, assignments: str, **values: Any) -> bool:
    """Write to a claimed job, and return whether someone has asked to cancel it.

    `assignments` is SQL of this package. Raises `LeaseLostError` if another worker has the job.
    """
    return _write(job, assignments, "is_cancelled", values)


def end_claimed(job: ClaimedJob, assignments: str, **values: Any) -> None:
    """Write to a claimed job that it ends, and wake a worker if another job waits for its place.

    Raises `LeaseLostError`.
    """
    is_alone = db.session.scalar(_KEEP_OUT_CLAIMS, {"tenant_id": job.tenant_id})
    is_awaited = _write(job, assignments, _IS_AWAITED, {**values, "most": most_jobs()})
    if is_awaited or not is_alone:
        wake_after_commit()


def _write(job: ClaimedJob, assignments: str, returning: str, values: Mapping[str, Any]) -> bool:
    statement = text(
        f"UPDATE job SET {assignments}, updated_at = now() WHERE tenant_id = :tenant_id"
        f" AND id = :id AND lease_id = :lease_id AND state = 'running' RETURNING {returning}"
    )
    row = db.session.execute(
        statement,
        {**values, "tenant_id": job.tenant_id, "id": job.id, "lease_id": job.lease_id},
    ).one_or_none()
    note_derived(TABLE)
    if row is None:
        raise LeaseLostError
    return bool(row[0])


def as_json(value: Mapping[str, Any] | None) -> str | None:
    """Return a value as the parameter of a column of JSON."""
    return None if value is None else orjson.dumps(value).decode()
