"""Rename, suspend and resume tenants."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from trially.errors import OperatorError
from trially.tenancy.catalog import (
    PlacementRecord,
    Tenant,
    TenantSlug,
    TenantStatus,
    catalog_transaction,
    is_called,
)
from trially.tenancy.directory import UnknownTenantError, directory
from trially.tenancy.lifecycle.provisioning import TenantExistsError
from trially.tenancy.names import check_slug
from trially.tenancy.pinning import is_served
from trially.tenancy.tiers import tier_of


class NotServedError(OperatorError):
    """The tenant is in no state for this."""


def list_tenants() -> Sequence[Tenant]:
    """Return every tenant that this instance serves, by slug."""
    with catalog_transaction() as session:
        return session.scalars(select(Tenant).where(is_served()).order_by(Tenant.slug)).all()


def get_tenant(reference: str) -> Tenant:
    """Return a tenant by its slug, a former one or its id, or raise `UnknownTenantError`."""
    with catalog_transaction() as session:
        return _find(session, reference)


def rename_tenant(reference: str, slug: str) -> Tenant:
    """Give a tenant another slug. The former one stays its own and is never another tenant's."""
    check_slug(slug)
    with catalog_transaction() as session:
        tenant = _find(session, reference)
        claim = session.get(TenantSlug, slug)
        if claim is None:
            session.add(TenantSlug(slug=slug, tenant_id=tenant.id))
            try:
                session.flush()
            except IntegrityError as error:
                raise TenantExistsError(f"The slug {slug!r} is taken.") from error
        elif claim.tenant_id != tenant.id:
            raise TenantExistsError(f"The slug {slug!r} is taken.")
        tenant.slug = slug
    directory().forget(tenant.id)
    return tenant


def suspend_tenant(reference: str) -> Tenant:
    """Refuse a tenant's members: at once in its database, within seconds in every process."""
    return _record_state(reference, is_suspended=True)


def resume_tenant(reference: str) -> Tenant:
    """Serve a suspended tenant again."""
    return _record_state(reference, is_suspended=False)


def _record_state(reference: str, *, is_suspended: bool) -> Tenant:
    """Write the state into the placement's own copy first: from then on the guard knows it."""
    with catalog_transaction() as session:
        tenant = _find(session, reference)
        if tenant.status not in (TenantStatus.ACTIVE, TenantStatus.SUSPENDED):
            raise NotServedError(f"The tenant {tenant.slug!r} is {tenant.status}.")
        record = tenant.placement
        # In SQL, because the lock on the tenant may have been waited for.
        record.epoch = PlacementRecord.epoch + 1
        tenant.status = TenantStatus.SUSPENDED if is_suspended else TenantStatus.ACTIVE
        session.flush()
        tier_of(record).record_state(record, is_suspended=is_suspended)
    directory().forget(tenant.id)
    return tenant


def _find(session: Session, reference: str) -> Tenant:
    tenant = session.scalar(
        select(Tenant).where(is_called(reference), is_served()).with_for_update(of=Tenant)
    )
    if tenant is None:
        raise UnknownTenantError(f"There is no tenant {reference!r}.")
    return tenant
