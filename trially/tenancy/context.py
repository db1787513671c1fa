"""The current tenant: entered once per app context, never changed in it."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app, g

from trially.database.placement import NoTenantError, enter_placement
from trially.tenancy.directory import Residence, directory


def enter_tenant(residence: Residence) -> None:
    """Make `residence` the current tenant's.

    Raises `WrongTenantError` if this app context already serves another tenant.
    """
    enter_placement(residence.placement)
    g.residence = residence


def current_tenant() -> Residence:
    """Return the current tenant, or raise `NoTenantError`."""
    residence: Residence | None = g.get("residence")
    if residence is None:
        raise NoTenantError("No tenant has been entered.")
    return residence


@contextmanager
def tenant_context(reference: str) -> Iterator[Residence]:
    """Push an app context of one tenant, found by slug or id.

    A command that visits 500 tenants opens 500 of these. Raises `UnknownTenantError`.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with app.app_context():
        residence = directory().find(reference, fresh=True)
        enter_tenant(residence)
        yield residence
