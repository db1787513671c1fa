"""Claim tasks under a lease, so that one process at a time carries each out."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text

from trially.errors import OperatorError
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.tasks.model import TaskState

log = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
"""Time without a sign of life after which another worker takes a task over."""

MOST_ATTEMPTS = 3
"""How many processes may begin a task before it has failed."""

KEPT_DAYS = 90
"""Days after which a task that has ended is deleted, and its Idempotency-Key with it."""

_CANCEL_WAITING = text(
    """
    UPDATE platform_task SET state = 'cancelled', ended_at = clock_timestamp()
    WHERE state = 'queued' AND id IN (SELECT task_id FROM platform_task_cancellation)
    """
)
_FAIL_ABANDONED = text(
    """
    UPDATE platform_task SET state = 'failed', ended_at = clock_timestamp(), leased_until = NULL,
        error = CAST(:error AS jsonb)
    WHERE state = 'running' AND leased_until < clock_timestamp() AND attempts >= :most
    """
)
_CLAIM = text(
    """
    UPDATE platform_task SET state = 'running', attempts = attempts + 1,
        leased_until = clock_timestamp() + make_interval(secs => :lease),
        started_at = coalesce(started_at, clock_timestamp())
    WHERE id = (
        SELECT due.id FROM platform_task AS due
        WHERE (due.state = 'queued'
            OR (due.state = 'running' AND due.leased_until < clock_timestamp()))
            AND NOT EXISTS (
                SELECT FROM platform_task AS earlier
                WHERE earlier.state IN ('queued', 'running') AND earlier.id < due.id
                    AND earlier.tenant_slug = due.tenant_slug
            )
        ORDER BY due.id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id, attempts
    """
)
"""The tasks of one tenant are carried out one after the other, in the order of the requests."""

_PRUNE = text("DELETE FROM platform_task WHERE ended_at < now() - make_interval(days => :days)")
_RENEW = text(
    """
    UPDATE platform_task SET leased_until = clock_timestamp() + make_interval(secs => :lease),
        progress = coalesce(CAST(:progress AS jsonb), progress)
    WHERE id = :id AND attempts = :attempt AND state = 'running'
    RETURNING EXISTS (SELECT FROM platform_task_cancellation WHERE task_id = :id)
    """
)
_END = text(
    """
    UPDATE platform_task SET state = :state, ended_at = clock_timestamp(), leased_until = NULL,
        tenant_id = coalesce(tenant_id, :tenant_id), result = CAST(:result AS jsonb),
        error = CAST(:error AS jsonb)
    WHERE id = :id AND attempts = :attempt AND state = 'running'
    """
)

_WAITED = text(
    """
    SELECT extract(epoch FROM clock_timestamp() - min(created_at)) FROM platform_task AS due
    WHERE state = 'queued' AND NOT EXISTS (
        SELECT FROM platform_task AS earlier
        WHERE earlier.state IN ('queued', 'running') AND earlier.id < due.id
            AND earlier.tenant_slug = due.tenant_slug
    )
    """
)

ABANDONED = {
    "code": "abandoned",
    "detail": f"{MOST_ATTEMPTS} processes have begun it, and none has ended it. The logs of the"
    " workers say why. An operation of it that is unfinished can be resumed.",
}


class LeaseLostError(OperatorError):
    """Another worker has taken the task over."""


@dataclass(frozen=True)
class Claim:
    """A task, and the number of the attempt that carries it out now."""

    task_id: UUID
    attempt: int


def claim_task() -> Claim | None:
    """Claim the task that has waited longest, or None if none is due.

    Waiting tasks that were cancelled end here, and so do those whose processes died too often.
    """
    with control_engine().begin() as catalog:
        catalog.execute(_CANCEL_WAITING)
        error = orjson.dumps(ABANDONED).decode()
        catalog.execute(_FAIL_ABANDONED, {"error": error, "most": MOST_ATTEMPTS})
        row = catalog.execute(_CLAIM, {"lease": LEASE_SECONDS}).first()
    return None if row is None else Claim(row.id, row.attempts)


def renew_lease(claim: Claim, progress: Mapping[str, Any] | None) -> bool:
    """Renew a lease, record how far the task is, and return whether it is to end.

    Raises `LeaseLostError`.
    """
    shown = None if progress is None else orjson.dumps(progress).decode()
    with control_engine().begin() as catalog:
        row = catalog.execute(
            _RENEW,
            {
                "id": claim.task_id,
                "attempt": claim.attempt,
                "lease": LEASE_SECONDS,
                "progress": shown,
            },
        ).first()
    if row is None:
        raise LeaseLostError(f"Another worker has taken over the task {claim.task_id}.")
    return bool(row[0])


def end_task(
    claim: Claim,
    state: TaskState,
    *,
    result: Mapping[str, Any] | None = None,
    error: Mapping[str, str] | None = None,
    tenant_id: UUID | None = None,
) -> None:
    """Record the end of a task, unless another worker has taken it over."""
    with control_engine().begin() as catalog:
        catalog.execute(
            _END,
            {
                "id": claim.task_id,
                "attempt": claim.attempt,
                "state": state,
                "tenant_id": tenant_id,
                "result": None if result is None else orjson.dumps(result, default=str).decode(),
                "error": None if error is None else orjson.dumps(error).decode(),
            },
        )


def longest_wait() -> float:
    """Return for how many seconds a task has waited that a worker could begin; 0 if none waits."""
    with control_engine().connect() as catalog:
        return float(catalog.scalar(_WAITED) or 0)


def prune_tasks() -> None:
    """Delete the tasks that have ended long ago."""
    with control_engine().begin() as catalog:
        catalog.execute(_PRUNE, {"days": KEPT_DAYS})
