"""A kind of jobs whose effects can be counted: each step creates a site of a new name."""

import os
import signal
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from sqlalchemy import select, update

from trially.auth.permissions import Permission
from trially.database.rows import insert_item, of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.jobs.enqueuing import enqueue
from trially.jobs.kinds import JobError, Kind, Step, Turn, register
from trially.jobs.model import Job
from trially.recruiting.sites.model import Site
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context

STEPS = ("first", "second", "third")
SECRET = "Jane Doe, born 1960"
"""What an error may quote, and no job may show."""

hooks: dict[str, Callable[[Turn], None]] = {}
"""What else a step does, by the name of the hook in the job's parameters."""


def _site(step: str) -> Callable[[Turn], None]:
    def run(turn: Turn) -> None:
        _kill_at(f"{step} begins")
        if name := turn.parameters.get(step):
            hooks[name](turn)
        insert_item(Site, {"name": f"{turn.job_id} {step} {uuid4()}"}, ("id",))
        turn.progress(STEPS.index(step) + 1, len(STEPS))
        turn.result(**{step: True})
        _kill_at(f"{step} ends")

    return run


def _kill_at(point: str) -> None:
    if os.environ.get("KILL_AT") == point:
        os.kill(os.getpid(), signal.SIGKILL)


def _in_parts(turn: Turn) -> None:
    number = (turn.position or {"number": 0})["number"]
    insert_item(Site, {"name": f"{turn.job_id} part {number} {uuid4()}"}, ("id",))
    turn.progress(number + 1, 3)
    if number < 2:
        turn.again({"number": number + 1})


def _fail(turn: Turn) -> None:
    raise ValueError(SECRET)


def _refuse(turn: Turn) -> None:
    raise JobError("This cannot succeed.")


hooks |= {"fail": _fail, "refuse": _refuse}

SITES = register(
    Kind(
        "test_sites",
        tuple(Step(name, _site(name)) for name in STEPS),
        needs=Permission.SITES_WRITE,
        most_attempts=20,
    )
)
ONE_SITE = register(Kind("test_one", (Step("first", _site("first")),), needs=None, most_attempts=2))
PARTS = register(Kind("test_parts", (Step("parts", _in_parts),), needs=None))


def ask_for(app: Flask, tenant: Tenant, kind: Kind = SITES, **parameters: Any) -> UUID:
    """Ask for a job as the operator, and return its id."""
    job_id = parameters.pop("job_id", None)
    with app.app_context(), tenant_context(str(tenant.id)), transaction():
        return UUID(str(enqueue(kind, parameters, job_id)["id"]))


def job_of(app: Flask, tenant: Tenant, job_id: UUID) -> dict[str, Any]:
    with app.app_context(), tenant_context(str(tenant.id)):
        row = db.session.execute(
            select(table_of(Job)).where(of_current_tenant(Job), Job.id == job_id)
        ).one()
        return dict(row._mapping)


def change_job(app: Flask, tenant: Tenant, job_id: UUID, **values: Any) -> None:
    with app.app_context(), tenant_context(str(tenant.id)), transaction():
        db.session.execute(
            update(table_of(Job)).where(of_current_tenant(Job), Job.id == job_id).values(**values)
        )


def effects_of(app: Flask, tenant: Tenant, job_id: UUID) -> list[str]:
    """Return which step has created each site of a job, in their order."""
    with app.app_context(), tenant_context(str(tenant.id)):
        names = db.session.scalars(
            select(Site.name)
            .where(of_current_tenant(Site), Site.name.startswith(str(job_id)))
            .order_by(Site.id)
        )
        return [" ".join(name.split()[1:-1]) for name in names]
