"""The operation that changes how a tenant's fields are stored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from blinker import Signal
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from trially.database.field_states import FieldState
from trially.tenancy.catalog import Operation, Tenant
from trially.tenancy.catalog_choices import OperationState, TenantStatus
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.data_keys import data_key, has_master_key
from trially.tenancy.directory import directory
from trially.tenancy.encrypting.states import FieldEncryptionError, end_change, set_fields
from trially.tenancy.lifecycle.moving.catalog_checks import unfinished_operations_of
from trially.tenancy.lifecycle.operations import KINDS, OperationKind, Step, run_operation
from trially.tenancy.lifecycle.status import find_to_change

NEEDED_REVISION = "0024"
"""The migration after which the columns hold sealed values."""

fields_change = Signal()
"""Sent with a tenant's slug, while its fields change. The receiver settles all its rows.

It is sent again after an interruption. `report` takes the number of rows that were visited.
"""


@dataclass(frozen=True)
class Change:
    """What an operation changes."""

    tenant: Tenant
    state: FieldState

    @property
    def is_needed(self) -> bool:
        """Whether any row has another form."""
        return self.tenant.fields != FieldState(self.state.version)


def plan_change(reference: str, *, is_on: bool) -> Change:
    """Return what encrypting or decrypting a tenant changes.

    An encrypted tenant is sealed with the newest version of its data key. Raises
    `FieldEncryptionError`, `UnknownTenantError`, or what `data_key` raises.
    """
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
        _refuse(session, tenant)
        former = tenant.fields.version
    version = None
    if is_on:
        if not has_master_key():
            raise FieldEncryptionError(
                "Fields are encrypted with the tenant's data key, which needs a master key. Set"
                " TRIALLY_MASTER_KEY; see docs/keys.md."
            )
        version = data_key(tenant.id).version
    return Change(tenant, FieldState(version, version != former, former))


def change_fields(change: Change, report: Callable[[int], None] = lambda _rows: None) -> Tenant:
    """Carry a change out, and return the tenant. Requests go on meanwhile.

    If a step fails, the rows get their former form again.
    """
    with catalog_transaction() as session:
        tenant = find_to_change(session, str(change.tenant.id))
        _refuse(session, tenant)
        operation = Operation(
            id=uuid7(),
            tenant_id=tenant.id,
            tenant_slug=tenant.slug,
            kind=ENCRYPT.name,
            state=OperationState.RUNNING,
            parameters={"version": change.state.version, "former": change.state.former},
        )
        session.add(operation)
    _reports[operation.id] = report
    try:
        run_operation(operation.id)
    finally:
        _reports.pop(operation.id, None)
        directory().forget(change.tenant.id)
    with catalog_transaction() as session:
        return session.get_one(Tenant, change.tenant.id)


_reports: dict[Any, Callable[[int], None]] = {}
"""Where the operations of this process report how far they are, by id."""


def _refuse(session: Session, tenant: Tenant) -> None:
    """Raise `FieldEncryptionError` if the fields cannot change now."""
    if tenant.status not in (TenantStatus.ACTIVE, TenantStatus.SUSPENDED):
        raise FieldEncryptionError(
            f"The tenant {tenant.slug!r} is {tenant.status}. Only the fields of active and"
            " suspended tenants are encrypted."
        )
    for unfinished in unfinished_operations_of(session, tenant):
        raise FieldEncryptionError(str(unfinished))
    revision = tenant.placement.revision
    if revision is None or revision < NEEDED_REVISION:
        raise FieldEncryptionError(
            f"The tables of {tenant.slug!r} are at {revision}. Run `flask tenants migrate"
            f" {tenant.slug}` first."
        )


def _changing(version: int | None, former: int | None) -> FieldState:
    return FieldState(version, is_changing=True, former=former)


def _begin(session: Session, operation: Operation) -> None:
    parameters = operation.parameters
    tenant = find_to_change(session, str(operation.tenant_id))
    set_fields(session, tenant, _changing(parameters["version"], parameters["former"]))


def _settle(operation: Operation) -> None:
    directory().forget(operation.tenant_id)
    report = _reports.get(operation.id, lambda _rows: None)
    receivers = list(fields_change.receivers_for(None))
    if not receivers:
        raise FieldEncryptionError("Nothing in this process settles rows. Run `flask`.")
    fields_change.send(str(operation.tenant_id), report=report)


def _end(session: Session, operation: Operation) -> None:
    end_change(session, find_to_change(session, str(operation.tenant_id)))


def _undo(_session: Session, operation: Operation) -> None:
    """Give all rows their former form again.

    The transaction of the caller would stay open for as long, so it does not lock the tenant.
    """
    parameters = operation.parameters
    former = _changing(parameters["former"], parameters["version"])
    with catalog_transaction() as session:
        tenant = find_to_change(session, str(operation.tenant_id))
        if not tenant.fields.is_changing:
            return
        set_fields(session, tenant, former)
    _settle(operation)
    with catalog_transaction() as session:
        end_change(session, find_to_change(session, str(operation.tenant_id)))


ENCRYPT = OperationKind(
    name="encrypt",
    steps=(
        Step("begin", _begin),
        Step("settle", work=_settle),
        Step("end", _end),
    ),
    undo=_undo,
)
KINDS[ENCRYPT.name] = ENCRYPT
