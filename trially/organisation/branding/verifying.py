"""Verify that a domain is the tenant's: when it asks for that, and every day after that."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from trially.auth.permissions import Permission
from trially.database.placement import current_placement
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.database.session import transaction
from trially.database.since import lacking
from trially.jobs.enqueuing import SHOWN_COLUMNS, enqueue
from trially.jobs.kinds import JobError, Kind, Step, Turn, register
from trially.jobs.model import Job, JobState
from trially.jobs.routines import Routine, add_routine
from trially.organisation.branding.proofs import Failure, find_proof
from trially.organisation.model import TenantBranding, TenantDomain
from trially.organisation.singletons import read_row
from trially.tenancy.catalog_sessions import catalog_transaction

HELD_FOR = dt.timedelta(days=7)
"""How long a domain counts as the tenant's after its proof was last found."""

CHECKED_EVERY = dt.timedelta(days=1)
OPERATOR = "trially: domains"
"""Who asks for the daily checks: no member, because members leave."""


def enqueue_verification() -> Item:
    """Return the job that verifies the current tenant's domain next; there is one at a time."""
    return _waiting() or enqueue(VERIFY, {})


def next_check_at() -> dt.datetime | None:
    """Return when the current tenant's domain is to be verified again, which may be past.

    None if it has none, and if its owners are the next to ask: before the first verification, and
    after one that found no proof of a domain that did not count as the tenant's.
    """
    if TenantBranding.__tablename__ in lacking().tables:
        return None
    if read_row(TenantBranding, ("domain",))["domain"] is None:
        return None
    last = _last_ended()
    if last is None or last["result"].get("is_held") is False:
        return None
    ended_at: dt.datetime = last["ended_at"]
    return ended_at + CHECKED_EVERY


def _verify(turn: Turn) -> None:
    """Look for the proof, without an open transaction, and record in the catalog what was found."""
    with transaction():
        branding = read_row(TenantBranding, ("domain", "domain_token"))
    domain, token = branding["domain"], branding["domain_token"]
    if domain is None or token is None:
        raise JobError("The tenant has no domain any more.")
    failure = find_proof(domain, token)
    failure, is_held = _record(domain, failure)
    turn.result(domain=domain, is_verified=failure is None, failure=failure, is_held=is_held)


def _record(domain: str, failure: Failure | None) -> tuple[Failure | None, bool]:
    """Record an outcome. Return it, and whether the domain still counts as the tenant's."""
    tenant_id, now = current_placement().tenant_id, dt.datetime.now(dt.UTC)
    with catalog_transaction() as session:
        known = session.get(TenantDomain, tenant_id, with_for_update=True)
        if known is None or known.domain != domain:
            raise RuntimeError("The domain is not published yet.")
        known.checked_at = now
        if failure is None and not _take(session, domain, now):
            failure = Failure.TAKEN
        if failure is None:
            known.verified_at, known.expires_at = now, now + HELD_FOR
        elif known.expires_at is not None and known.expires_at <= now:
            known.expires_at = None
        known.failure = failure
        return failure, known.expires_at is not None


def _take(session: Session, domain: str, now: dt.datetime) -> bool:
    """Return whether no other tenant holds the domain. A hold that has expired is released."""
    tenant_id = current_placement().tenant_id
    others = TenantDomain.domain == domain, TenantDomain.tenant_id != tenant_id
    session.execute(
        update(TenantDomain).where(*others, TenantDomain.expires_at <= now).values(expires_at=None)
    )
    held = select(TenantDomain).where(*others, TenantDomain.expires_at.is_not(None))
    return session.scalar(held) is None


def _waiting() -> Item | None:
    """Return a job that verifies and is due, or None."""
    job = table_of(Job).c
    return _find_job(
        SHOWN_COLUMNS,
        (job.state == JobState.QUEUED, job.due_at <= dt.datetime.now(dt.UTC)),
        job.due_at,
    )


def _last_ended() -> Item | None:
    """Return the result and the end of the job that verified last, or None."""
    ended_at = table_of(Job).c.ended_at
    return _find_job(("result", "ended_at"), (ended_at.is_not(None),), ended_at.desc())


def _find_job(
    columns: Sequence[str],
    conditions: Sequence[ColumnElement[bool]],
    order: ColumnElement[dt.datetime],
) -> Item | None:
    job = table_of(Job).c
    statement = (
        select(*(job[name] for name in columns))
        .where(of_current_tenant(Job), job.kind == VERIFY.name, *conditions)
        .order_by(order)
        .limit(1)
    )
    return next(iter(fetch_items(statement)), None)


VERIFY = register(
    Kind(
        "verify_domain",
        (Step("verify", _verify, has_own_transactions=True),),
        needs=Permission.SETTINGS_WRITE,
        most_seconds=60.0,
        most_attempts=5,
    )
)
add_routine(Routine(VERIFY, OPERATOR, next_check_at))
