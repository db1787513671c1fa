"""How a tenant's fields are stored, in the catalog: what changes it, and what it forbids."""

from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from trially.database.field_states import FieldState
from trially.errors import OperatorError
from trially.tenancy.catalog import PlacementRecord, Tenant
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.tiers import tier_of


class FieldEncryptionError(OperatorError):
    """The fields of a tenant cannot be encrypted or decrypted, or work on them is refused."""


def set_fields(session: Session, tenant: Tenant, state: FieldState) -> None:
    """Set the state of a tenant's fields, in the catalog and by a new epoch in its database.

    Transactions that began with the former state end first, and later ones are refused and begin
    again. So nothing is written in the former form from now on.
    """
    tenant.field_key_version, tenant.former_field_key_version = state.version, state.former
    tenant.fields_are_changing = state.is_changing
    tenant.placement.epoch = PlacementRecord.epoch + 1
    session.flush()
    suspended = tenant.status == TenantStatus.SUSPENDED
    tier_of(tenant.placement).record_state(tenant.placement, is_suspended=suspended)


def end_change(session: Session, tenant: Tenant) -> None:
    """Record that all rows have the form of the state. Writers use it already."""
    session.execute(
        update(Tenant)
        .where(Tenant.id == tenant.id)
        .values(fields_are_changing=False, former_field_key_version=None, updated_at=func.now())
    )


def fields_of(tenant_id: UUID) -> FieldState:
    """Return how a tenant's fields are stored, as the catalog says now."""
    with catalog_transaction() as session:
        return session.get_one(Tenant, tenant_id).fields


def refuse_encrypted(reference: str, what: str) -> None:
    """Raise `FieldEncryptionError` if a tenant encrypts fields. `what` is refused, as a clause."""
    tenant = get_tenant(reference)
    if tenant.fields.is_sealed:
        raise FieldEncryptionError(
            f"The tenant {tenant.slug!r} encrypts its fields, so {what}. Decrypt them before, with"
            f" `flask tenants encrypt {tenant.slug} --off`."
        )


def describe_fields(tenant: Tenant) -> str:
    """Return how a tenant's fields are stored, in a few words."""
    state = tenant.fields
    if state.is_changing:
        return f"changing from {_form(state.former)} to {_form(state.version)}"
    return _form(state.version)


def _form(version: int | None) -> str:
    return "readable" if version is None else f"encrypted with version {version} of the data key"
