"""Merge a patch into the column mapping that is stored with a source."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.http.merge_patches import merged
from trially.recruiting.source_settings.schema import SourceSchema
from trially.recruiting.sources.model import RecordSource


def merge_mapping(source_id: UUID, patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored column mapping after a patch, and keep others from changing it.

    Raises `ValidationError` if imports could not use the result.
    """
    table = table_of(RecordSource)
    stored = db.session.execute(
        select(table.c.column_mapping)
        .where(of_current_tenant(RecordSource), table.c.id == source_id)
        .with_for_update()
    ).scalar()
    document = {"column_mapping": merged(stored, patch)}
    loaded: dict[str, Any] = SourceSchema(only=["column_mapping"]).load(document)["column_mapping"]
    return loaded
