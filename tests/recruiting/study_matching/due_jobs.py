"""Let a worker do the jobs of a tenant, those that wait for further changes too."""

from flask import Flask
from sqlalchemy import text

from trially.database.changes import note_written
from trially.database.session import db, transaction
from trially.jobs.wakeups import wake_after_commit
from trially.jobs.worker import Worker
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context


def run_due_jobs(app: Flask, tenant: Tenant) -> None:
    """Do all jobs that are due within a minute."""
    with app.app_context(), tenant_context(str(tenant.id)), transaction():
        db.session.execute(
            text(
                "UPDATE job SET due_at = now() WHERE tenant_id = :id AND state = 'queued'"
                " AND due_at < now() + interval '1 minute'"
            ),
            {"id": tenant.id},
        )
        note_written("job", patients=())
        wake_after_commit()
    Worker(app, threads=1).run_due()
