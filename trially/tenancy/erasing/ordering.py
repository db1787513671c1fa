"""Order an erasure, forbid it by a legal hold, and bring a tenant back."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from trially.errors import OperatorError
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.directory import directory
from trially.tenancy.erasing.model import OPEN, Erasure, ErasureState
from trially.tenancy.erasing.stores import erasure_ordered
from trially.tenancy.lifecycle.operations import undo_operation, unfinished_operations
from trially.tenancy.lifecycle.status import find_to_change, resume_tenant, suspend_tenant
from trially.tenancy.operators.recording import acting_person


class LegalHoldError(OperatorError):
    """A legal hold forbids to erase the tenant."""


class NotErasableError(OperatorError):
    """The tenant is in a state in which it cannot be erased."""


class NoErasureError(OperatorError):
    """No erasure of the tenant is ordered."""


@dataclass(frozen=True)
class Ordered:
    """A tenant with the erasure that is ordered."""

    tenant: Tenant
    erasure: Erasure


def order_erasure(reference: str, period: dt.timedelta, reason: str | None) -> Ordered:
    """Suspend a tenant, and let it be erased when the period ends.

    An earlier order gets the new end. Raises `UnknownTenantError`, `LegalHoldError`,
    `NotErasableError`, or `GuardUnreachedError` as `suspend_tenant` does: the order stands then.
    """
    due_at = dt.datetime.now(dt.UTC) + period
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
        _refuse_hold(tenant)
        if tenant.status not in (TenantStatus.ACTIVE, TenantStatus.SUSPENDED):
            raise NotErasableError(f"The tenant {tenant.slug!r} is {tenant.status}.")
    # Before the order, so that a process that dies in between has told the tenant too much.
    erasure_ordered.send(tenant, after=due_at, reason=reason)
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
        _refuse_hold(tenant)
        erasure = open_erasure(session, tenant)
        if erasure is None:
            erasure = Erasure(
                tenant_id=tenant.id,
                state=ErasureState.SCHEDULED,
                ordered_by=acting_person().name,
                was_active=tenant.status == TenantStatus.ACTIVE,
                tenant_created_at=tenant.created_at,
            )
            session.add(erasure)
        elif erasure.state == ErasureState.RUNNING:
            raise NotErasableError(f"The tenant {tenant.slug!r} is being erased already.")
        erasure.reason, erasure.due_at = reason or erasure.reason, due_at
        tenant.erase_after = due_at
        session.flush()
        session.refresh(erasure)
    return Ordered(suspend_tenant(str(tenant.id)), erasure)


def cancel_erasure(reference: str) -> Tenant:
    """Bring a tenant back whose erasure is ordered, and has not come too far.

    Raises `UnknownTenantError`, `NoErasureError`, or `OperationDoneError` once something of the
    tenant was removed.
    """
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
        if open_erasure(session, tenant) is None:
            raise NoErasureError(f"No erasure of the tenant {tenant.slug!r} is ordered.")
    for operation in unfinished_operations():
        if operation.tenant_id == tenant.id and operation.kind == "erase":
            undo_operation(operation.id, "cancelled")
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
        erasure = open_erasure(session, tenant)
        if erasure is None or erasure.state == ErasureState.RUNNING:
            raise NotErasableError(f"The tenant {tenant.slug!r} is being erased.")
        erasure.state = ErasureState.CANCELLED
        erasure.cancelled_at = dt.datetime.now(dt.UTC)
        erasure.cancelled_by = acting_person().name
        tenant.erase_after = None
    if erasure.was_active:
        return resume_tenant(str(tenant.id))
    directory().forget(tenant.id)
    return tenant


def hold(reference: str, reason: str) -> Tenant:
    """Forbid to erase a tenant. An ordered erasure waits until the hold is released."""
    return _set_hold(reference, reason)


def release_hold(reference: str) -> Tenant:
    """Allow to erase a tenant again. An ordered erasure is carried out when it is due."""
    return _set_hold(reference, None)


def open_erasure(session: Session, tenant: Tenant) -> Erasure | None:
    """Return the order that is not carried out yet, or None."""
    return session.scalar(
        select(Erasure).where(Erasure.tenant_id == tenant.id, Erasure.state.in_(OPEN))
    )


def _set_hold(reference: str, reason: str | None) -> Tenant:
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
        if tenant.status == TenantStatus.ERASING:
            raise NotErasableError(
                f"The tenant {tenant.slug!r} is being erased. `flask tenants erase {tenant.slug}"
                " --cancel` stops it, if nothing was removed yet."
            )
        tenant.legal_hold = reason
    return tenant


def _refuse_hold(tenant: Tenant) -> None:
    if tenant.legal_hold is not None:
        raise LegalHoldError(
            f"The tenant {tenant.slug!r} is under a legal hold: {tenant.legal_hold.rstrip('.')}."
            f" When it ends, run `flask tenants erase {tenant.slug} --release-hold`."
        )
