"""Rename, suspend and resume tenants."""

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
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.listing import get_tenant, list_tenants
from trially.tenancy.lifecycle.provisioning import TenantExistsError
from trially.tenancy.names import UnknownTenantError, check_slug
from trially.tenancy.pinning import is_served
from trially.tenancy.tiers import tier_of

__all__ = [
    "FormerSlugError",
    "NotServedError",
    "get_tenant",
    "list_tenants",
    "rename_tenant",
    "resume_tenant",
    "suspend_tenant",
]


class FormerSlugError(OperatorError):
    """The tenant to rename was named by a slug that it no longer has."""


class NotServedError(OperatorError):
    """The tenant is neither active nor suspended."""


def rename_tenant(reference: str, slug: str) -> Tenant:
    """Change a tenant's slug. The former slug keeps working and is never given to another tenant.

    A tenant that has the slug already is not changed. Raises `InvalidSlugError`,
    `TenantExistsError` or `UnknownTenantError`, and `FormerSlugError` for a former slug: another
    operator may have renamed the tenant meanwhile, and that change would be lost.
    """
    check_slug(slug)
    with catalog_transaction() as session:
        tenant = _find(session, reference)
        if tenant.slug == slug:
            return tenant
        if reference not in (tenant.slug, str(tenant.id)):
            raise FormerSlugError(
                f"The tenant {reference!r} has been renamed to {tenant.slug!r}. To rename it again,"
                f" run `flask tenants rename {tenant.slug} {slug}`."
            )
        claim = session.get(TenantSlug, slug)
        if claim is None:
            session.add(TenantSlug(slug=slug, tenant_id=tenant.id))
            try:
                session.flush()
            except IntegrityError as error:
                raise _slug_taken(slug) from error
        elif claim.tenant_id != tenant.id:
            raise _slug_taken(slug)
        tenant.slug = slug
    directory().forget(tenant.id)
    return tenant


def suspend_tenant(reference: str) -> Tenant:
    """Refuse a tenant's members: at once in its database, within seconds in every process.

    Raises `UnknownTenantError` or `NotServedError`.
    """
    return _record_state(reference, is_suspended=True)


def resume_tenant(reference: str) -> Tenant:
    """Serve a suspended tenant again. Raises `UnknownTenantError` or `NotServedError`."""
    return _record_state(reference, is_suspended=False)


def _record_state(reference: str, *, is_suspended: bool) -> Tenant:
    """Write the state into the catalog, and into the copy that the tenant's guard reads."""
    with catalog_transaction() as session:
        tenant = _find(session, reference)
        if tenant.status not in (TenantStatus.ACTIVE, TenantStatus.SUSPENDED):
            raise NotServedError(
                f"The tenant {tenant.slug!r} is {tenant.status}. Only active and suspended tenants"
                " can be suspended or resumed."
            )
        record = tenant.placement
        # Added in SQL: another transaction may have changed the epoch before this one got the lock.
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
        raise UnknownTenantError(reference)
    return tenant


def _slug_taken(slug: str) -> TenantExistsError:
    return TenantExistsError(f"The slug {slug!r} is already taken. Choose another one.")
