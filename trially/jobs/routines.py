"""Jobs that each tenant needs again and again, such as at the end of each of its days.

A worker asks for them when it visits a tenant, and visits it again when the next one is due. So no
job waits meanwhile, and one that failed is tried again.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text
from uuid_utils.compat import uuid7

from trially.database.changes import note_derived
from trially.database.placement import current_placement
from trially.database.session import db, transaction
from trially.jobs.kinds import Kind
from trially.jobs.model import Job

LOOK_AGAIN_SECONDS = 60.0
"""After it has asked for a job, a worker looks for the next one after this time."""

_BEFORE = dt.timedelta(seconds=1)
"""A routine job comes before other jobs that are due at the same time."""

FAILED_PAUSE = dt.timedelta(hours=1)
"""After a job has failed, the next one of its kind is asked for after this time."""


@dataclass(frozen=True)
class Routine:
    """A kind of jobs that each tenant needs at certain times, without that anyone asks."""

    kind: Kind
    operator: str
    """Who the audit log and the jobs name for it."""

    due_at: Callable[[], dt.datetime | None]
    """Returns when the current tenant needs the next one, which may be past. None: never."""


_routines: list[Routine] = []

_ENQUEUE = text(
    """
    SELECT pg_advisory_xact_lock(hashtextextended('jobs of ' || CAST(:tenant_id AS text), 0));
    INSERT INTO job (tenant_id, id, kind, parameters, operator, due_at)
    SELECT :tenant_id, :id, :kind, '{}', :operator, :due_at WHERE NOT EXISTS (
        SELECT FROM job WHERE tenant_id = :tenant_id AND kind = :kind
            AND (ended_at IS NULL OR (state = 'failed' AND ended_at > now() - :pause)))
    """
)
"""The lock is that of claims: two workers do not ask for the same job at once."""


def add_routine(routine: Routine) -> None:
    """Let workers ask for jobs of a kind."""
    _routines.append(routine)


def enqueue_due() -> float:
    """Ask for the routine jobs of the current tenant that are due.

    Returns the seconds until a worker should look again.
    """
    with transaction():
        now = dt.datetime.now(dt.UTC)
        return min((_seconds_after(routine, now) for routine in _routines), default=float("inf"))


def _seconds_after(routine: Routine, now: dt.datetime) -> float:
    """Ask for a job if it is due, and return the seconds until a worker should look again."""
    due_at = routine.due_at()
    if due_at is None:
        return float("inf")
    if due_at > now:
        return (due_at - now).total_seconds()
    _enqueue(routine, due_at)
    return LOOK_AGAIN_SECONDS


def _enqueue(routine: Routine, due_at: dt.datetime) -> None:
    """Ask for a job, unless one has not ended or has failed recently."""
    db.session.execute(
        _ENQUEUE,
        {
            "tenant_id": current_placement().tenant_id,
            "id": uuid7(),
            "kind": routine.kind.name,
            "operator": routine.operator,
            "pause": FAILED_PAUSE,
            "due_at": due_at - _BEFORE,
        },
    )
    note_derived(Job.__tablename__)  # The records of its steps say what the job does.
