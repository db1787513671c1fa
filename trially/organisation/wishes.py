"""Changes of the catalog that a tenant has asked for, and that a worker has not published yet.

They are the parameters of the tenant's own jobs: so they are written in the transaction that
records them, and nothing else has to be kept equal to the catalog.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.jobs.model import UNFINISHED, Job, JobState

PUBLISH_NAME = "publish_settings"
"""The kind of the jobs."""

MOST_READ = 1_000
_HAVE_EFFECT = (*UNFINISHED, JobState.DONE)


def waiting_wishes() -> dict[str, Any]:
    """Return the values of the catalog that are not published yet, the newest of each."""
    job = table_of(Job).c
    return _values(job.state.in_(UNFINISHED))


def wishes_since(job_id: UUID) -> dict[str, Any]:
    """Return the newest wish of each kind, of a job and of those that were asked for after it.

    A job that is tried late thus never undoes the wish of a later one.
    """
    job = table_of(Job).c
    return _values(job.state.in_(_HAVE_EFFECT), job.id >= job_id)


def _values(*conditions: Any) -> dict[str, Any]:
    job = table_of(Job).c
    rows = db.session.scalars(
        select(job.parameters)
        .where(of_current_tenant(Job), job.kind == PUBLISH_NAME, *conditions)
        .order_by(job.id.desc())
        .limit(MOST_READ)
    )
    wished: dict[str, Any] = {}
    for parameters in rows:
        wished = {**_wish_of(parameters), **wished}
    return wished


def _wish_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameters[name] for name in ("name", "time_zone") if name in parameters}
