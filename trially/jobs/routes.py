"""Routes of jobs. A member sees the jobs that the member asked for, or with a permission all."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request
from sqlalchemy import ColumnElement

from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.codes import Code
from trially.http.contract import (
    also_returns,
    chosen_type,
    may_conflict,
    queries,
    returns_page,
    returns_version,
)
from trially.http.pages import Page
from trially.http.problems import Conflict
from trially.jobs.cancelling import JobEndedError, cancel
from trially.jobs.enqueuing import SHOWN_COLUMNS
from trially.jobs.events import EVENT_STREAM, stream_job
from trially.jobs.model import Job
from trially.jobs.schema import JobQuerySchema, JobSchema
from trially.jobs.visibility import is_own, own_jobs
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

bp = Blueprint("jobs", __name__, url_prefix="/jobs")

JOBS = Resource(
    Job,
    JobSchema(),
    scope=WHOLE_TENANT,
    order={"id": "desc"},
    filters={
        "state": equals(table_of(Job).c.state),
        "kind": equals(table_of(Job).c.kind),
    },
)


@bp.get("")
@requires(Permission.JOBS_READ)
@queries(JobQuerySchema())
@returns_page(JobSchema())
def list_jobs(query: dict[str, Any]) -> Page:
    """List jobs, newest first.

    The list has the jobs that the caller has asked for. With the permission `jobs:manage`, it has
    those of all members and operators. Jobs are deleted some time after they ended.
    """
    condition = own_jobs(current_identity())
    narrowed: list[ColumnElement[bool]] = [] if condition is None else [condition]
    return JOBS.page(query, narrowed)


@bp.get("/<uuid:job_id>")
@requires(Permission.JOBS_READ)
@returns_version(JobSchema())
@also_returns(EVENT_STREAM)
def show_job(job_id: UUID) -> Item | Response:
    """Show a job.

    Poll a job by its `ETag` with `If-None-Match`: the answer is 304 until something changes. With
    `Accept: text/event-stream`, the answer is a stream of server-sent events: `progress` with the
    job whenever it changes, and `end` when the job has ended. A stream ends after 25 seconds, and
    an EventSource then connects again. If too many streams are open, the answer is 429 or 503.
    """
    job = _find(job_id)
    is_stream = request.method == "GET" and chosen_type(EVENT_STREAM) == EVENT_STREAM
    return stream_job(job) if is_stream else job


@bp.post("/<uuid:job_id>/cancel")
@requires(Permission.JOBS_WRITE)
@may_conflict
@returns_version(JobSchema())
def cancel_job(job_id: UUID) -> Item:
    """Cancel a job.

    A job that waits is `cancelled` at once. A running one has `is_cancelled`, and ends after the
    step that runs, whose work stays. An import ends after the batch that is being written, and is
    then `cancelled` too, with the counts of what it has written. The answer is 409 if the job has
    ended already.
    """
    _find(job_id)
    try:
        return cancel(job_id, SHOWN_COLUMNS)
    except JobEndedError as error:
        raise Conflict(str(error), code=Code.JOB_ENDED) from error


def _find(job_id: UUID) -> Item:
    """Return a job that the caller may see, or answer 404."""
    job = JOBS.get(job_id)
    if not is_own(job, current_identity()):
        raise JOBS.not_found()
    return job
