"""The current tenant: entered once per app context, and never changed within it."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app

from trially.database.placement import NoTenantError, OutdatedTenantError, enter_placement
from trially.state import request_state
from trially.tenancy.administered import administered_placement
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
            _refuse_outdated(entry)
            enter_placement(administered_placement(entry.placement))
            request_state().tenant = entry
        else:
            enter_tenant(entry)
        yield entry


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
