"""The current tenant: entered once per app context, and never changed within it."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app

from trially.database.placement import NoTenantError, enter_placement
from trially.state import request_state
from trially.tenancy.administered import administered_placement
from trially.tenancy.directory import TenantEntry, directory


def enter_tenant(entry: TenantEntry) -> None:
    """Make the tenant of `entry` the current tenant.

    Raises `WrongTenantError` if this app context already serves another tenant.
    """
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
            enter_placement(administered_placement(entry.placement))
            request_state().tenant = entry
        else:
            enter_tenant(entry)
        yield entry
