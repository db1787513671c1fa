"""Run a claimed job step by step. A step and its completion are committed together.

A worker that is killed leaves its lease, which expires. Another worker then continues after the
last completed step. If the first worker lives on after all, it has lost its lease, and whatever it
does is rolled back together with the completion that it cannot write.
"""

import logging
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from threading import Event
from types import MappingProxyType
from typing import Any

from flask import Flask

from trially.audit.recording import note
from trially.database.deadline import start_deadline
from trially.database.model import length_of
from trially.database.placement import StalePlacementError
from trially.database.session import transaction
from trially.jobs.askers import acting, check_asker
from trially.jobs.attempts import Attempt, Heart, tenant_of_job, writing_to_job
from trially.jobs.claiming import ClaimedJob, as_json, end_claimed, write_claimed
from trially.jobs.files import delete_file
from trially.jobs.kinds import (
    JobError,
    JobInterruptedError,
    JobTimeError,
    Kind,
    LeaseLostError,
    Step,
    Turn,
)
from trially.jobs.model import Job, JobState
from trially.jobs.wakeups import wake_after_commit
from trially.tenancy.directory import directory
from trially.tenancy.schema.failures import describe_failure

log = logging.getLogger(__name__)

SHORTEST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 600.0
MOST_MOVES = 3
"""How often a step begins again because its tenant is at another place."""

ABANDONED = "The worker stopped, or did not renew its lease in time."

RELEASED, LOST = "released", "lost"
"""Outcomes of attempts after which the job is not in a state of its own."""

_COMPLETED = (
    "step = :step, position = CAST(:position AS jsonb), attempts = 1, error = NULL,"
    " progress_done = :done, progress_total = :total,"
    " result = coalesce(result, '{}') || CAST(:result AS jsonb)"
)
_DONE = ", state = 'done', ended_at = clock_timestamp(), lease_id = NULL"


def run_job(app: Flask, attempt: Attempt, heart: Heart) -> str:
    """Run a claimed job to its end, and return the job's state, or `RELEASED` or `LOST`."""
    job, kind = attempt.job, attempt.kind
    try:
        if job.was_abandoned and job.attempts > kind.most_attempts:
            return _end(app, job, JobState.FAILED, error=ABANDONED, keeps_file=True)
        with heart.beating(attempt):
            return _run_steps(app, attempt)
    except LeaseLostError:
        return LOST


def _run_steps(app: Flask, attempt: Attempt) -> str:
    job, moves = attempt.job, 0
    while True:
        try:
            run = _cancel if attempt.is_cancelled else _run_next_step
            done = run(app, attempt, job)
        except StalePlacementError:
            _forget_placement(app, job)
            moves += 1
            if moves > MOST_MOVES:
                return _release(app, job)
        except JobInterruptedError:
            if not attempt.is_cancelled:
                return _release(app, job)
        except LeaseLostError:
            raise
        except Exception as error:  # noqa: BLE001  it is recorded in the job
            return _end_attempt(app, job, attempt.kind, error)
        else:
            if isinstance(done, str):
                return done
            job, moves = done, 0


def _forget_placement(app: Flask, job: ClaimedJob) -> None:
    """Forget where the job's tenant was placed."""
    with app.app_context():
        directory().forget(job.tenant_id)


def _run_next_step(app: Flask, attempt: Attempt, job: ClaimedJob) -> ClaimedJob | str:
    """Run a step, and return the job as it is after it, or its state if it has ended."""
    step = attempt.kind.step_after(job.step)
    assert step is not None  # noqa: S101  the job would have ended with its last step
    turn = attempt.turn = _turn_of(attempt, job)
    turn.check()
    with tenant_of_job(app, job.tenant_id):
        identity = None
        if job.issuer is not None:
            with transaction():
                identity = check_asker(job, attempt.kind)
        with acting(job, attempt.kind, identity):
            if step.has_own_transactions:
                step.run(turn)
            else:
                start_deadline(_milliseconds_left(attempt))
            with transaction():
                if not step.has_own_transactions:
                    step.run(turn)
                return _complete(attempt, job, step, turn)


def _turn_of(attempt: Attempt, job: ClaimedJob) -> Turn:
    return Turn(
        job.id,
        job.parameters,
        job.position,
        attempt.ends_at,
        attempt.must_end,
        job.progress_done,
        job.progress_total,
        results=dict(job.result or {}),
        store_results=partial(_store_results, job),
    )


def _store_results(job: ClaimedJob, results: Mapping[str, Any]) -> None:
    write_claimed(
        job, "result = coalesce(result, '{}') || CAST(:result AS jsonb)", result=as_json(results)
    )


def _complete(attempt: Attempt, job: ClaimedJob, step: Step, turn: Turn) -> ClaimedJob | str:
    """Write in the step's own transaction that it is completed, and what comes next."""
    is_part = turn.next_position is not None
    is_last = not is_part and attempt.kind.step_after(step.name) is None
    name = job.step if is_part else step.name
    written = {
        "step": name,
        "position": as_json(turn.next_position),
        "done": turn.done,
        "total": turn.total,
        "result": as_json(turn.results),
    }
    note(job_id=str(job.id), job=attempt.kind.name, step=step.name)
    if is_last:
        end_claimed(job, _COMPLETED + _DONE, **written)
        if attempt.kind.has_file:
            delete_file(job.id)
        return JobState.DONE
    if write_claimed(job, _COMPLETED, **written):
        attempt.cancel()
    return replace(
        job,
        step=name,
        position=turn.next_position,
        attempts=1,
        progress_done=turn.done,
        progress_total=turn.total,
        result=turn.results,
    )


def _cancel(app: Flask, attempt: Attempt, job: ClaimedJob) -> str:
    """End a job that someone has asked to cancel, and what it has begun."""
    if attempt.kind.when_cancelled is not None:
        turn = replace(attempt.turn or _turn_of(attempt, job), must_end=Event())
        with tenant_of_job(app, job.tenant_id), acting(job, attempt.kind, None):
            attempt.kind.when_cancelled(turn)
    return _end(app, job, JobState.CANCELLED)


def _release(app: Flask, job: ClaimedJob) -> str:
    """Let another worker continue the job. The attempt does not count.

    This worker is ending, or no place accepts the tenant because its move was interrupted.
    """
    with writing_to_job(app, job.tenant_id):
        write_claimed(
            job,
            "state = 'queued', due_at = clock_timestamp(), lease_id = NULL,"
            " attempts = greatest(attempts - 1, 0)",
        )
        wake_after_commit()
    return RELEASED


def _end_attempt(app: Flask, job: ClaimedJob, kind: Kind, error: Exception) -> str:
    """Record why an attempt failed. The job is tried again later, or has failed for good."""
    reason = describe_failure(error)
    log.warning("An attempt of a job %s failed: %s", kind.name, reason, extra=_ids(job))
    if isinstance(error, JobError) or job.attempts >= kind.most_attempts:
        keeps_file = not isinstance(error, JobError) or isinstance(error, JobTimeError)
        result = error.result if isinstance(error, JobError) else {}
        return _end(app, job, JobState.FAILED, error=reason, keeps_file=keeps_file, result=result)
    with writing_to_job(app, job.tenant_id):
        write_claimed(
            job,
            "state = 'queued', lease_id = NULL, error = :error,"
            " due_at = clock_timestamp() + make_interval(secs => :pause)",
            error=_cut(reason),
            pause=pause_after(job.attempts),
        )
        wake_after_commit()
    return JobState.QUEUED


def _end(
    app: Flask,
    job: ClaimedJob,
    state: JobState,
    *,
    error: str | None = None,
    keeps_file: bool = False,
    result: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    with writing_to_job(app, job.tenant_id):
        end_claimed(
            job,
            "state = :state, error = coalesce(:error, error), ended_at = clock_timestamp(),"
            " lease_id = NULL, result = coalesce(result, '{}') || CAST(:result AS jsonb)",
            state=state,
            result=as_json(dict(result)),
            error=None if error is None else _cut(error),
        )
        if not keeps_file:
            delete_file(job.id)
    return state


def pause_after(attempts: int) -> float:
    """Return the seconds until the next attempt: twice as long each time, and never the same."""
    longest = min(SHORTEST_PAUSE_SECONDS * 2.0 ** (attempts - 1), LONGEST_PAUSE_SECONDS)
    return longest * random.uniform(0.5, 1)  # noqa: S311  spreads attempts, hides nothing


def _milliseconds_left(attempt: Attempt) -> int:
    return max(1, int((attempt.ends_at - time.monotonic()) * 1000))


def _cut(reason: str) -> str:
    return reason[: length_of(Job.error)]


def _ids(job: ClaimedJob) -> Mapping[str, Any]:
    return {"tenant_id": str(job.tenant_id), "job_id": str(job.id)}
