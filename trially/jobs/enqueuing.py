"""Ask for a job, in the transaction that wants it."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from trially.audit.recording import note
from trially.database.rows import Item, insert_item
from trially.jobs.askers import describe_asker
from trially.jobs.kinds import Kind
from trially.jobs.model import Job
from trially.jobs.wakeups import wake_after_commit

SHOWN_COLUMNS = (
    *("id", "kind", "state", "step", "progress_done", "progress_total", "result", "error"),
    *("attempts", "is_cancelled", "member_id", "operator"),
    *("due_at", "created_at", "started_at", "ended_at", "version"),
)


def enqueue(
    kind: Kind,
    parameters: Mapping[str, Any],
    job_id: UUID | None = None,
    *,
    due_at: dt.datetime | None = None,
    operator: str | None = None,
) -> Item:
    """Write a job of the current tenant, and return it. A worker runs it after the commit.

    The job belongs to the caller of the request, or else to the operator of this process, unless
    `operator` names another. With `due_at` it waits until then. No parameter may identify a
    patient.
    """
    values = {
        "id": job_id or uuid7(),
        "kind": kind.name,
        "parameters": dict(parameters),
        **(describe_asker() if operator is None else {"operator": operator}),
        **({} if due_at is None else {"due_at": due_at}),
    }
    job = insert_item(Job, values, SHOWN_COLUMNS)
    note(job_id=str(job["id"]), enqueues=kind.name)
    wake_after_commit()
    return job
