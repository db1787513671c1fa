"""On whose behalf a job runs: the member who asked for it, if still allowed, or an operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trially.audit.actors import Actor, operator_name
from trially.audit.forms import Form, Purpose
from trially.audit.working import working
from trially.auth.members.identities import Identity, find_identity
from trially.auth.support.identities import supporter
from trially.database.placement import current_placement
from trially.jobs.claiming import ClaimedJob
from trially.jobs.kinds import JobError, Kind
from trially.request_state import request_state
from trially.tenancy.context import current_tenant
from trially.tenancy.directory import directory


class NoLongerAllowedError(JobError):
    """The member who asked for the job may no longer do what it does."""


def describe_asker() -> dict[str, Any]:
    """Return who asks for a job now, as columns of the job."""
    identity = request_state().identity
    if identity is None:
        return {"operator": operator_name()}
    return {
        "member_id": None if identity.acting_for else identity.member_id,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "operator": identity.operator,
    }


def check_asker(job: ClaimedJob, kind: Kind) -> Identity | None:
    """Return the member who asked for a job, or None if an operator did by a command.

    Raises `NoLongerAllowedError`.
    """
    if job.issuer is None or job.subject is None:
        return None
    identity = _find_asker(job.issuer, job.subject)
    if identity is None:
        raise NoLongerAllowedError("The person who asked for this job has no access any more.")
    if kind.needs is not None and not identity.may(kind.needs):
        raise NoLongerAllowedError(
            f"The member who asked for this job no longer has the permission {kind.needs}."
        )
    return identity


@contextmanager
def acting(job: ClaimedJob, kind: Kind, identity: Identity | None) -> Iterator[None]:
    """Record what the block does as done by the asker, in the name of the job."""
    level = None if identity is None else identity.phi_level
    purpose = Purpose.OPERATION if job.operator else Purpose.RESEARCH
    state = request_state()
    state.identity, state.runs_job = identity, True
    state.actor = Actor(
        Form(f"job {kind.name}", kind.action, purpose, level),
        member_id=job.member_id,
        operator=job.operator,
        request_id=job.id.hex,
    )
    with working(kind.action):
        yield


def _find_asker(issuer: str, subject: str) -> Identity | None:
    placement = current_placement()
    identity = find_identity(placement, issuer, subject)
    if identity is not None:
        return identity
    entry = directory().find_current(str(current_tenant().tenant_id))
    access = entry.supporters.get((issuer, subject))
    if access is None or not access.is_active:
        return None
    return supporter(placement, issuer, subject, access)
