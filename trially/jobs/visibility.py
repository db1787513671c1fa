"""Whose jobs a member sees."""

from sqlalchemy import ColumnElement

from trially.auth.members.identities import Identity
from trially.auth.permissions import Permission
from trially.database.rows import Item, table_of
from trially.jobs.model import Job


def own_jobs(identity: Identity) -> ColumnElement[bool] | None:
    """Return the condition of the jobs that a caller sees, or None for all of the tenant."""
    if identity.may(Permission.JOBS_MANAGE):
        return None
    job = table_of(Job).c
    if identity.acting_for is not None:
        return job.operator == identity.operator
    return job.member_id == identity.member_id


def is_own(job: Item, identity: Identity) -> bool:
    """Return whether a caller sees a job."""
    if identity.may(Permission.JOBS_MANAGE):
        return True
    if identity.acting_for is not None:
        return bool(job["operator"] == identity.operator)
    return bool(job["member_id"] == identity.member_id)
