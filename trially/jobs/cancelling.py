"""Cancel jobs, and try failed ones once more."""

from typing import Any
from uuid import UUID

from sqlalchemy import func

from trially.audit.recording import note
from trially.database.rows import Item, lock_item, update_item
from trially.errors import OperatorError
from trially.jobs.files import delete_file
from trially.jobs.model import UNFINISHED, Job, JobState
from trially.jobs.wakeups import wake_after_commit


class NoJobError(OperatorError):
    """The tenant has no such job."""


class JobEndedError(OperatorError):
    """The job has ended, so that it cannot be cancelled."""


class JobNotEndedError(OperatorError):
    """The job is not failed or cancelled, so that it cannot be tried again."""


def cancel(job_id: UUID, names: tuple[str, ...]) -> Item:
    """Cancel a job of the current tenant, and return its named columns.

    A job that waits has ended then. A running one ends after its step, or when the step looks.
    Raises `NoJobError` or `JobEndedError`.
    """
    state = _lock(job_id)
    if state not in UNFINISHED:
        raise JobEndedError(f"The job has ended: it is {state}.")
    waits = state == JobState.QUEUED
    if waits:
        delete_file(job_id)
    ends = {"state": JobState.CANCELLED, "ended_at": func.clock_timestamp()} if waits else {}
    note(job_id=str(job_id), cancels=True)
    return _update(job_id, {"is_cancelled": True, **ends}, names)


def retry(job_id: UUID, names: tuple[str, ...]) -> Item:
    """Let workers try a failed or cancelled job again, after its last completed step.

    Raises `NoJobError` or `JobNotEndedError`.
    """
    state = _lock(job_id)
    if state not in (JobState.FAILED, JobState.CANCELLED):
        raise JobNotEndedError(
            f"The job is {state}. Only failed and cancelled jobs can be tried again."
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


def _lock(job_id: UUID) -> str:
    job = lock_item(Job, job_id, ("state",))
    if job is None:
        raise NoJobError(f"There is no job {job_id}.")
    return str(job["state"])


def _update(job_id: UUID, values: dict[str, Any], names: tuple[str, ...]) -> Item:
    job = update_item(Job, job_id, values, names)
    assert job is not None  # noqa: S101  it is locked
    return job
