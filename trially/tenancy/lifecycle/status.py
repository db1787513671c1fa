"""Rename, suspend and resume tenants, and change their time zone."""

import psycopg2
from psycopg2.errors import LockNotAvailable
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.database.model import length_of
from trially.errors import OperatorError
from trially.tenancy.catalog import PlacementRecord, Tenant, TenantSlug, is_called
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.listing import get_tenant, list_tenants
from trially.tenancy.lifecycle.provisioning import TenantExistsError
from trially.tenancy.names import UnknownTenantError, check_line, check_slug, check_time_zone
from trially.tenancy.pinning import is_served
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.tiers import tier_of

__all__ = [
    "ErasureOrderedError",
    "FormerSlugError",
    "GuardUnreachedError",
    "NotServedError",
    "get_tenant",
    "list_tenants",
    "rename_organisation",
    "rename_tenant",
    "resume_tenant",
    "set_time_zone",
    "suspend_tenant",
]


class FormerSlugError(OperatorError):
    """The tenant to rename was named by a slug that it no longer has."""


class NotServedError(OperatorError):
    """The tenant is neither active nor suspended."""


class ErasureOrderedError(OperatorError):
    """The erasure of the tenant is ordered, so it cannot be resumed."""


class GuardUnreachedError(OperatorError):
    """The tenant is suspended in the catalog, and its database has not been told."""

    def __init__(self, slug: str, failure: psycopg2.Error) -> None:
        seconds = current_settings().placement_max_age_seconds
        super().__init__(
            f"The tenant {slug!r} is suspended in the catalog, so processes refuse its members"
            f" within {seconds:g} seconds. Its database could not be told:"
            f" {describe_failure(failure)}. Run the command again when the database answers."
            " Until then, a process that cannot reach the catalog may still serve the tenant."
        )


def rename_tenant(reference: str, slug: str) -> Tenant:
    """Change a tenant's slug. The former slug keeps working and is never given to another tenant.

    A tenant that has the slug already is not changed. Raises `InvalidSlugError`,
    `TenantExistsError` or `UnknownTenantError`, and `FormerSlugError` for a former slug: another
    operator may have renamed the tenant meanwhile, and that change would be lost.
    """
    check_slug(slug)
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
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


def rename_organisation(reference: str, name: str) -> Tenant:
    """Change the name of a tenant's organisation. Every process knows it within 5 seconds.

    Raises `UnsafeTextError` or `UnknownTenantError`.
    """
    check_line(name, "The name", length_of(Tenant.name))
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
        tenant.name = name
    directory().forget(tenant.id)
    return tenant


def set_time_zone(reference: str, time_zone: str) -> Tenant:
    """Change the zone of times that a tenant's sources write without one.

    Raises `UnknownTimeZoneError` or `UnknownTenantError`.
    """
    check_time_zone(time_zone)
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
        tenant.time_zone = time_zone
    directory().forget(tenant.id)
    return tenant


def suspend_tenant(reference: str) -> Tenant:
    """Refuse a tenant's members: at once in its database, within seconds in every process.

    Raises `UnknownTenantError` or `NotServedError`. Raises `GuardUnreachedError` if the tenant's
    database could not be told. The catalog says that the tenant is suspended in that case too.
    """
    with catalog_transaction() as session:
        tenant = _set_state(session, reference, is_suspended=True)
        failure: psycopg2.Error | None = None
        try:
            tier_of(tenant.placement).record_state(tenant.placement, is_suspended=True)
        except LockNotAvailable:
            raise  # The database answers, so the command can be repeated with its full effect.
        except psycopg2.Error as error:
            failure = error
    directory().forget(tenant.id)
    if failure is not None:
        raise GuardUnreachedError(tenant.slug, failure)
    return tenant


def resume_tenant(reference: str) -> Tenant:
    """Serve a suspended tenant again.

    Raises `UnknownTenantError`, `NotServedError`, or `ErasureOrderedError`.
    """
    with catalog_transaction() as session:
        tenant = _set_state(session, reference, is_suspended=False)
        if tenant.erase_after is not None:
            raise ErasureOrderedError(
                f"The tenant {tenant.slug!r} is to be erased. `flask tenants erase {tenant.slug}"
                " --cancel` cancels that, and resumes it."
            )
        tier_of(tenant.placement).record_state(tenant.placement, is_suspended=False)
    directory().forget(tenant.id)
    return tenant


def _set_state(session: Session, reference: str, *, is_suspended: bool) -> Tenant:
    """Write the state into the catalog. Raises `UnknownTenantError` or `NotServedError`."""
    tenant = find_to_change(session, reference)
    if tenant.status not in (TenantStatus.ACTIVE, TenantStatus.SUSPENDED):
        raise NotServedError(
            f"The tenant {tenant.slug!r} is {tenant.status}. Only active and suspended tenants"
            " can be suspended or resumed."
        )
    # Added in SQL: another transaction may have changed the epoch before this one got the lock.
    tenant.placement.epoch = PlacementRecord.epoch + 1
    tenant.status = TenantStatus.SUSPENDED if is_suspended else TenantStatus.ACTIVE
    session.flush()
    return tenant


def find_to_change(session: Session, reference: str) -> Tenant:
    """Return a tenant, and lock its row in the catalog. Raises `UnknownTenantError`."""
    tenant = session.scalar(
        select(Tenant).where(is_called(reference), is_served()).with_for_update(of=Tenant)
    )
    if tenant is None:
        raise UnknownTenantError(reference)
    return tenant


def _slug_taken(slug: str) -> TenantExistsError:
    return TenantExistsError(f"The slug {slug!r} is already taken. Choose another one.")
