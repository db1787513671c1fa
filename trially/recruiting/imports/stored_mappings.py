"""The column mappings that are stored with sources."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.recruiting.column_mappings.mapping import ColumnMapping, build_mapping
from trially.recruiting.column_mappings.table_fields import TableKind
from trially.recruiting.sources.model import RecordSource


def find_mapping(source: str, kind: TableKind) -> ColumnMapping:
    """Return the mapping that is stored with a source, or an empty one.

    Raises `MappingError` if the stored one is wrong.
    """
    table = table_of(RecordSource)
    statement = select(table.c.column_mapping).where(
        of_current_tenant(RecordSource), table.c.name == source
    )
    with transaction():
        stored: Mapping[str, Any] | None = db.session.execute(statement).scalar()
    return build_mapping((stored or {}).get(kind.value, {}), kind)


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
        db.session.execute(statement)
