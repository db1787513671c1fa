"""The custom fields that the current tenant has defined, read in the open transaction."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Select, select

from trially.database.placement import current_placement
from trially.database.rows import (
    columns_named,
    fetch_items,
    of_current_tenant,
    table_of,
    update_item,
)
from trially.database.since import lacking
from trially.recruiting.custom_fields.choices import CustomPhi, CustomResource, CustomType
from trially.recruiting.custom_fields.model import CustomField
from trially.recruiting.custom_fields.values import CUSTOM, Definition
from trially.request_state import request_state

_NAMES = ("id", "name", "type", "choices", "phi", "is_archived", "is_used")


def definitions_of(resource: CustomResource) -> Mapping[str, Definition]:
    """Return the fields of a resource by name, archived ones included."""
    if CustomField.__tablename__ in lacking().tables:
        return {}
    return _fetch(_select(resource))


def lock_definitions(
    resource: CustomResource, names: Collection[str], written: Collection[str]
) -> Mapping[str, Definition]:
    """Return the fields of these names, which no other transaction changes until the end.

    Those that are `written` count as used from now on, so that they are not deleted.
    """
    columns = table_of(CustomField).c
    statement = _select(resource).where(columns.name.in_(names)).order_by(columns.id)
    is_first = any(_is_first(field, written) for field in _fetch(statement).values())
    # Two transactions that share a lock could not both write the row.
    found = _fetch(statement.with_for_update(read=not is_first))
    for field in found.values():
        if _is_first(field, written):
            update_item(CustomField, field.id, {"is_used": True}, ("id",))
    return found


def identifiers_among(known: Mapping[str, Definition], names: Iterable[str]) -> set[str]:
    """Return which fields of these names are identifiers, as errors name them."""
    return {
        f"{CUSTOM}/{name}"
        for name in names
        if name in known and known[name].phi is CustomPhi.IDENTIFIER
    }


def hidden_names(resource: CustomResource) -> tuple[str, ...]:
    """Return the fields that only members with the PHI level `full` see, by name.

    They are read once for each request, however many rows its answer has.
    """
    known = request_state().hidden_members
    key = (current_placement().tenant_id, str(resource))
    if key not in known:
        fields = definitions_of(resource).values()
        known[key] = tuple(
            sorted(field.name for field in fields if field.phi is CustomPhi.IDENTIFIER)
        )
    return known[key]


def _is_first(field: Definition, written: Collection[str]) -> bool:
    """Return whether a row is about to have the first value of a field."""
    return field.name in written and not field.is_used


def _select(resource: CustomResource) -> Select[Any]:
    return select(*columns_named(CustomField, _NAMES)).where(
        of_current_tenant(CustomField), table_of(CustomField).c.resource == resource
    )


def _fetch(statement: Select[Any]) -> Mapping[str, Definition]:
    return {
        row["name"]: Definition(
            **{**row, "type": CustomType(row["type"]), "phi": CustomPhi(row["phi"])}
        )
        for row in fetch_items(statement)
    }
