"""The current tenant: entered once per app context, and never changed within it."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, current_app

from trially.database.placement import (
    NoTenantError,
    OutdatedTenantError,
    current_placement,
    enter_placement,
)
from trially.observability.metrics import guard_refusals_total
from trially.request_state import request_state
from trially.state import state_of
from trially.tenancy.administered import AdministeredPlacement, administered_placement
from trially.tenancy.directory import TenantEntry, directory
from trially.tenancy.schema.revision_files import TENANT_LINEAGE
from trially.tenancy.schema.revisions import Revision, compare, needed_revision


def enter_tenant(entry: TenantEntry) -> None:
    """Make the tenant of `entry` the current tenant.

    Raises `WrongTenantError` if this app context already serves another tenant, and
    `OutdatedTenantError` if this version cannot serve the tenant's tables.
    """
    _refuse_outdated(entry)
    enter_placement(entry.placement)
    request_state().tenant = entry


def current_tenant() -> TenantEntry:
    """Return the current tenant, or raise `NoTenantError`."""
    entry = request_state().tenant
    if entry is None:
        raise NoTenantError("This app context has no current tenant.")
    return entry


def follow_tenant() -> None:
    """Enter the current tenant again, where the catalog says that it is placed now.

    An operator's work on a suspended tenant stays one.
    """
    guard_refusals_total.labels("stale").inc()
    is_administered = isinstance(current_placement(), AdministeredPlacement)
    tenant_id = current_tenant().tenant_id
    # A WAL position of the server of before says nothing about another one.
    request_state().written_up_to = None
    directory().forget(tenant_id)
    entry = directory().find(str(tenant_id))
    if is_administered:
        _administer(entry)
    else:
        enter_tenant(entry)


@contextmanager
def tenant_context(reference: str) -> Iterator[TenantEntry]:
    """Push an app context whose current tenant has this slug or id.

    An app context serves one tenant only, so a command for 500 tenants pushes 500 of them.
    Raises `UnknownTenantError`.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with app.app_context():
        entry = directory().find(reference, fresh=True)
        enter_tenant(entry)
        yield entry


@contextmanager
def administered_tenant(reference: str) -> Iterator[TenantEntry]:
    """Push an app context for an operator's work on a tenant, which may be suspended.

    Raises `UnknownTenantError`.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with app.app_context():
        entry = directory().find(reference, fresh=True)
        if entry.is_suspended:
            _administer(entry)
        else:
            enter_tenant(entry)
        yield entry


def init_app(app: Flask) -> None:
    """Let transactions follow their tenant."""
    state_of(app).follow_tenant = follow_tenant


def _administer(entry: TenantEntry) -> None:
    _refuse_outdated(entry)
    enter_placement(administered_placement(entry.placement))
    request_state().tenant = entry


def _refuse_outdated(entry: TenantEntry) -> None:
    """Raise `OutdatedTenantError` for tables that are older than those of the revision before.

    The entry may be older than the last migration, so the next use reads it again.
    """
    revision = entry.placement.revision
    if compare(revision, needed_revision(TENANT_LINEAGE)) is Revision.OUTDATED:
        directory().expire(entry.tenant_id)
        raise OutdatedTenantError(
            f"The tables of {entry.slug} are at {revision}, which this version does not serve."
            f" Run `flask tenants migrate {entry.slug}`."
        )
