"""The operation that erases a tenant: its steps, and what undoes those before the removal."""

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from trially.errors import OperatorError
from trially.tenancy.catalog import Operation, PlacementRecord, Tenant, TokenCutOff
from trially.tenancy.catalog_choices import OperationState, TenantStatus
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.data_keys import destroy_data_keys
from trially.tenancy.directory import directory
from trially.tenancy.erasing.catalog_stores import (
    forget_values,
    reduce_operation,
    remove_from_catalog,
)
from trially.tenancy.erasing.certificates import certify
from trially.tenancy.erasing.erased_tenant import ErasedTenant, read_placements, read_tenant
from trially.tenancy.erasing.model import Erasure, ErasureState
from trially.tenancy.erasing.ordering import LegalHoldError
from trially.tenancy.erasing.placements import refuse_requests, remove_placement
from trially.tenancy.erasing.searching import compare, left_over, look
from trially.tenancy.erasing.stores import registered_stores
from trially.tenancy.lifecycle.attempts import OperationBusyError, check_attempt
from trially.tenancy.lifecycle.operations import (
    KINDS,
    UNFINISHED,
    OperationKind,
    Step,
    run_operation,
)

ALL = ""
"""The issuer or subject of a cut-off that is for every token."""


class IncompleteErasureError(OperatorError):
    """A store still holds something of the tenant after everything was removed."""


def erase(erasure_id: UUID) -> Erasure:
    """Erase a tenant whose erasure is ordered, and return the erasure with its certificate.

    Raises `LegalHoldError`, `OperationBusyError` while another operation of the tenant is not
    finished, or `IncompleteErasureError`.
    """
    with catalog_transaction() as session:
        operation = _begin(session, session.get_one(Erasure, erasure_id))
    try:
        run_operation(operation.id)
    finally:
        directory().forget(operation.tenant_id)
    with catalog_transaction() as session:
        return session.get_one(Erasure, erasure_id)


def _begin(session: Session, erasure: Erasure) -> Operation:
    """Return the operation of an erasure: the one that was interrupted, or a new one."""
    tenant = _find_locked(session, erasure.tenant_id)
    unfinished = session.scalars(
        select(Operation).where(
            Operation.tenant_id == erasure.tenant_id, Operation.state.in_(UNFINISHED)
        )
    ).all()
    for each in unfinished:
        if each.kind == ERASE.name:
            return each
        raise OperationBusyError(
            f"The operation {each.id} ({each.kind}) of the tenant {each.tenant_slug!r} is not"
            " finished. `flask operations resume` finishes it."
        )
    if tenant is None:
        raise IncompleteErasureError(f"The tenant {erasure.tenant_id} is erased already.")
    _refuse_hold(tenant)
    operation = Operation(
        id=uuid7(),
        tenant_id=tenant.id,
        tenant_slug=tenant.slug,
        kind=ERASE.name,
        state=OperationState.RUNNING,
        parameters={
            "erasure": str(erasure.id),
            "tenant": read_tenant(session, tenant).as_json(),
        },
    )
    erasure.state, tenant.status = ErasureState.RUNNING, TenantStatus.ERASING
    session.add(operation)
    return operation


def _refuse_hold(tenant: Tenant) -> None:
    if tenant.legal_hold is not None:
        raise LegalHoldError(
            f"The tenant {tenant.slug!r} is under a legal hold: {tenant.legal_hold.rstrip('.')}."
        )


def _find_locked(session: Session, tenant_id: UUID) -> Tenant | None:
    return session.scalars(
        select(Tenant).where(Tenant.id == tenant_id).with_for_update(of=Tenant)
    ).one_or_none()


def _locked(session: Session, tenant_id: UUID) -> Tenant:
    tenant = _find_locked(session, tenant_id)
    assert tenant is not None  # noqa: S101  nothing of it was removed yet
    return tenant


def _tenant_of(operation: Operation) -> ErasedTenant:
    return ErasedTenant.from_json(operation.parameters["tenant"])


def _erasure_of(session: Session, operation: Operation) -> Erasure:
    return session.get_one(Erasure, UUID(operation.parameters["erasure"]))


def _placements(operation: Operation) -> Sequence[PlacementRecord]:
    with catalog_transaction() as session:
        check_attempt(session, operation)
        return read_placements(session, operation.tenant_id)


def _close(session: Session, operation: Operation) -> None:
    """Reject every token, and let each database refuse the tenant's requests."""
    cut_off = insert(TokenCutOff).values(tenant_id=operation.tenant_id, issuer=ALL, subject=ALL)
    session.execute(
        cut_off.on_conflict_do_update(
            index_elements=["tenant_id", "issuer", "subject"], set_={"cut_off_at": func.now()}
        )
    )
    for record in read_placements(session, operation.tenant_id):
        if record.is_active:  # the guards of former placements are closed
            record.epoch += 1
            refuse_requests(record)


def _count(operation: Operation) -> None:
    """Count what each store holds, unless an attempt before this one did."""
    counts = [asdict(each) for each in look(_tenant_of(operation), everywhere=False)]
    with catalog_transaction() as session:
        check_attempt(session, operation)
        _erasure_of(session, operation).counts = counts


def _pass_the_point_of_no_return(session: Session, operation: Operation) -> None:
    """Check the legal hold for the last time. From here on the erasure is only finished."""
    session.execute(text("SET LOCAL synchronous_commit = on"))
    _refuse_hold(_locked(session, operation.tenant_id))


def _remove_placements(operation: Operation) -> None:
    def check() -> None:
        with catalog_transaction() as session:
            check_attempt(session, operation)

    for record in _placements(operation):
        remove_placement(record, check)


def _remove_other_stores(operation: Operation) -> None:
    tenant = _tenant_of(operation)
    for store in registered_stores():
        store.remove(tenant)


def _destroy_keys(operation: Operation) -> None:
    destroyed = destroy_data_keys(operation.tenant_id)
    with catalog_transaction() as session:
        check_attempt(session, operation)
        known = operation.parameters.get("destroyed_keys", [])
        parameters = {**operation.parameters, "destroyed_keys": sorted({*known, *destroyed})}
        session.execute(
            update(Operation).where(Operation.id == operation.id).values(parameters=parameters)
        )
    operation.parameters = parameters


def _remove_catalog_rows(session: Session, operation: Operation) -> None:
    remove_from_catalog(session, _tenant_of(operation), operation.id)


def _verify(operation: Operation) -> None:
    """Search every store again, and store the certificate if nothing is left."""
    tenant = _tenant_of(operation)
    forget_values()
    found = list(look(tenant))
    with catalog_transaction() as session:
        check_attempt(session, operation)
        erasure = _erasure_of(session, operation)
        stores = compare(erasure.counts or [], found)
        if left := left_over(stores):
            raise IncompleteErasureError(
                f"Something of the tenant {tenant.id} is left: "
                + "; ".join(f"{each['store']}: {each['after']} {each['unit']}" for each in left)
                + ". Remove it, and run `flask operations resume`."
            )
        keys = operation.parameters.get("destroyed_keys", [])
        erasure.certificate = certify(erasure, tenant, stores, keys)


def _finish(session: Session, operation: Operation) -> None:
    erasure = _erasure_of(session, operation)
    erasure.state, erasure.erased_at = ErasureState.DONE, func.now()
    erasure.counts = None
    reduce_operation(session, operation)


def _undo(session: Session, operation: Operation) -> None:
    """Let the tenant be as it was: suspended, with the erasure ordered."""
    tenant = _locked(session, operation.tenant_id)
    tenant.status = TenantStatus.SUSPENDED
    erasure = _erasure_of(session, operation)
    erasure.state, erasure.counts = ErasureState.SCHEDULED, None


NO_RETURN = "no_return"

ERASE = OperationKind(
    name="erase",
    steps=(
        Step("close", _close),
        Step("count", work=_count),
        Step(NO_RETURN, _pass_the_point_of_no_return),
        Step("remove_placements", work=_remove_placements),
        Step("remove_other_stores", work=_remove_other_stores),
        Step("destroy_keys", work=_destroy_keys),
        Step("remove_catalog_rows", _remove_catalog_rows),
        Step("verify", work=_verify),
        Step("finish", _finish),
    ),
    undo=_undo,
    final_from=NO_RETURN,
)
KINDS[ERASE.name] = ERASE
