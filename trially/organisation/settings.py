"""The settings of the current tenant: those of its own database, and two of the catalog."""

from collections.abc import Mapping
from typing import Any

from trially.database.changes import note_change
from trially.database.placement import current_placement
from trially.database.rows import Item
from trially.http.etags import Versions
from trially.organisation.branding.publishing import enqueue_publication
from trially.organisation.model import TenantSetting
from trially.organisation.published import read_name_and_zone
from trially.organisation.singletons import (
    combined_version,
    lock_row,
    read_row,
    refuse_other_version,
    write_row,
)
from trially.organisation.wishes import waiting_wishes

OF_CATALOG = ("name", "time_zone")
OWN = ("locale", "contact_name", "contact_email", "contact_phone", "audit_retention_years")


def read_settings() -> Item:
    """Return the settings, with changes that a worker has not published yet.

    Raises `CatalogUnavailableError`.
    """
    return _combine(read_row(TenantSetting, OWN), _named_in_catalog())


def change_settings(versions: Versions | None, changes: Mapping[str, Any]) -> Item:
    """Change settings, and return all of them. Answers 412 if they have another version.

    A worker then writes the name and the time zone into the catalog, and publishes the locale.
    Raises `CatalogUnavailableError`.
    """
    own = lock_row(TenantSetting, OWN)
    named = _named_in_catalog()  # Behind the lock: another change may have just been committed.
    before = _combine(own, named)
    refuse_other_version(before["version"], versions)
    row = write_row(TenantSetting, {name: changes[name] for name in OWN if name in changes}, OWN)
    wished = {
        name: changes[name]
        for name in OF_CATALOG
        if changes.get(name, named.get(name)) != named[name]
    }
    if wished:
        values = {name: (named[name], new) for name, new in wished.items()}
        note_change(TenantSetting, current_placement().tenant_id, row, values)
    if wished or before["locale"] != row["locale"]:
        enqueue_publication(wished)
    return _combine(row, {**named, **wished})


def _named_in_catalog() -> dict[str, Any]:
    return {**read_name_and_zone(), **waiting_wishes()}


def _combine(row: Item, named: Mapping[str, Any]) -> Item:
    """Return one item. Its version grows with the row, and tells other values of the catalog."""
    version = combined_version(row["version"], [named[name] for name in OF_CATALOG])
    return {**row, **named, "version": version}
