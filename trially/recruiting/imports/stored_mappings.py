"""How a source writes its files, as it is stored: column mappings and the time zone."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from trially.database.changes import note_change
from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.recruiting.column_mappings.table_fields import TableKind
from trially.recruiting.custom_fields.choices import CustomResource
from trially.recruiting.custom_fields.definitions import definitions_of
from trially.recruiting.custom_fields.values import Definition
from trially.recruiting.sources.model import RecordSource
from trially.tenancy.context import current_tenant


def find_mapping(source: str, kind: TableKind) -> Mapping[str, Any]:
    """Return the document that is stored with a source for one kind of table, or an empty one."""
    stored: Mapping[str, Any] | None = _find(source, "column_mapping")
    document: Mapping[str, Any] = (stored or {}).get(kind.value, {})
    return document


def find_custom_fields(kind: TableKind) -> Mapping[str, Definition]:
    """Return the tenant's own fields that a kind of table may have, by `custom.NAME`."""
    if kind is not TableKind.PATIENTS:
        return {}
    with transaction():
        fields = definitions_of(CustomResource.PATIENT).values()
    return {f"custom.{field.name}": field for field in fields}


def find_zones(source: str) -> tuple[ZoneInfo | None, ZoneInfo]:
    """Return the time zones of a source, None if it has none of its own, and of the tenant."""
    name: str | None = _find(source, "time_zone")
    return None if name is None else ZoneInfo(name), ZoneInfo(current_tenant().time_zone)


def find_version_zone(source: str) -> ZoneInfo:
    """Return the zone in which the versions of a source's records are compared."""
    own, tenants = find_zones(source)
    return own or tenants


def store_mapping(source: str, kind: TableKind, document: Mapping[str, Any]) -> None:
    """Store the mapping of one kind of table with a source, which is created if it is new."""
    table = table_of(RecordSource)
    new = insert(table).values(
        tenant_id=current_placement().tenant_id, name=source, column_mapping={kind.value: document}
    )
    empty = literal_column("'{}'::jsonb", JSONB)
    statement = new.on_conflict_do_update(
        index_elements=["tenant_id", "name"],
        set_={
            "column_mapping": func.coalesce(table.c.column_mapping, empty).concat(
                new.excluded.column_mapping
            )
        },
    )
    with transaction():
        former = db.session.execute(
            select(table.c.id, table.c.column_mapping)
            .where(of_current_tenant(RecordSource), table.c.name == source)
            .with_for_update()
        ).first()
        row = db.session.execute(statement.returning(table.c.id, table.c.column_mapping)).one()
        mapping = (former.column_mapping if former else None, row.column_mapping)
        values = {"name": (source if former else None, source), "column_mapping": mapping}
        note_change(RecordSource, row.id, {}, values)


def _find(source: str, column: str) -> Any:
    table = table_of(RecordSource)
    statement = select(table.c[column]).where(
        of_current_tenant(RecordSource), table.c.name == source
    )
    with transaction():
        return db.session.execute(statement).scalar()
