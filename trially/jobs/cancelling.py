"""Cancel jobs, and try failed ones once more."""

from typing import Any
from uuid import UUID

from sqlalchemy import func

from trially.audit.recording import note
from trially.database.rows import Item, lock_item, update_item
from trially.errors import OperatorError
from trially.jobs.files import delete_file, has_file
from trially.jobs.kinds import KINDS
from trially.jobs.model import UNFINISHED, Job, JobState
from trially.jobs.wakeups import wake_after_commit


class NoJobError(OperatorError):
    """The tenant has no such job."""


class JobEndedError(OperatorError):
    """The job has ended, so that it cannot be cancelled."""


class JobNotEndedError(OperatorError):
    """The job is not failed or cancelled, so that it cannot be tried again."""


class FileDeletedError(OperatorError):
    """The file that the job was sent with is deleted, so that it cannot be tried again."""


def cancel(job_id: UUID, names: tuple[str, ...]) -> Item:
    """Cancel a job of the current tenant, and return its named columns.

    A job that waits has ended then. A running one ends after its step, or when the step looks. If
    a job that waits has begun what must be ended too, a worker does that at once. Raises
    `NoJobError` or `JobEndedError`.
    """
    job = _lock(job_id)
    if job["state"] not in UNFINISHED:
        raise JobEndedError(f"The job has ended: it is {job['state']}.")
    note(job_id=str(job_id), cancels=True)
    return _update(job_id, {"is_cancelled": True, **_end_waiting(job)}, names)


def _end_waiting(job: Item) -> dict[str, Any]:
    """Return what else changes in a job that is cancelled while it waits."""
    if job["state"] != JobState.QUEUED:
        return {}
    kind = KINDS.get(job["kind"])
    if job["started_at"] is not None and kind is not None and kind.when_cancelled is not None:
        wake_after_commit()
        return {"due_at": func.clock_timestamp()}
    delete_file(job["id"])
    return {"state": JobState.CANCELLED, "ended_at": func.clock_timestamp()}


def retry(job_id: UUID, names: tuple[str, ...]) -> Item:
    """Let workers try a failed or cancelled job again, after its last completed step.

    Raises `NoJobError`, `JobNotEndedError` or `FileDeletedError`.
    """
    job = _lock(job_id)
    if job["state"] not in (JobState.FAILED, JobState.CANCELLED):
        raise JobNotEndedError(
            f"The job is {job['state']}. Only failed and cancelled jobs can be tried again."
        )
    kind = KINDS.get(job["kind"])
    if kind is not None and kind.has_file and not has_file(job_id):
        raise FileDeletedError(
            "The file of this job is deleted, so it cannot be tried again. Send the file again."
        )
    note(job_id=str(job_id), retries=True)
    wake_after_commit()
    values = {
        "state": JobState.QUEUED,
        "is_cancelled": False,
        "attempts": 0,
        "due_at": func.clock_timestamp(),
        "ended_at": None,
    }
    return _update(job_id, values, names)


def _lock(job_id: UUID) -> Item:
    job = lock_item(Job, job_id, ("id", "kind", "state", "started_at"))
    if job is None:
        raise NoJobError(f"There is no job {job_id}.")
    return job


def _update(job_id: UUID, values: dict[str, Any], names: tuple[str, ...]) -> Item:
    job = update_item(Job, job_id, values, names)
    assert job is not None  # noqa: S101  it is locked
    return job
