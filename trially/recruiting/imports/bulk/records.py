"""Store and find the exports of the current tenant."""

from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from trially.database.rows import (
    Item,
    columns_named,
    fetch_items,
    insert_item,
    of_current_tenant,
    table_of,
)
from trially.database.session import db, transaction
from trially.recruiting.imports.bulk.exports import ExportRequest
from trially.recruiting.imports.bulk.model import BulkExport, ExportState

_COLUMNS = ("id", "source", "types", "since", "state", "status_url", "transaction_time")


def find_unfinished(source: str, request: ExportRequest) -> Item | None:
    """Return the export of the same server and scope that did not end."""
    return _find_last(source, request, ExportState.REQUESTED)


def find_last_time(source: str, request: ExportRequest) -> str | None:
    """Return the time of the data of the last export that ended without an error.

    It must have had the same types: records of others were never exported.
    """
    row = _find_last(source, request, ExportState.DONE, types=list(request.types))
    return None if row is None else row["transaction_time"]


def begin(source: str, request: ExportRequest, status_url: str) -> Item:
    """Store an export that a server has accepted. It takes the place of unfinished ones."""
    with transaction():
        db.session.execute(
            update(table_of(BulkExport))
            .where(*_conditions(source, request), BulkExport.state == ExportState.REQUESTED)
            .values(state=ExportState.ABANDONED, status_url=None)
        )
        values = {
            "source": source,
            "base_url": request.base_url,
            "scope": request.scope,
            "types": list(request.types),
            "since": request.since,
            "status_url": status_url,
        }
        return insert_item(BulkExport, values, _COLUMNS)


def change(export_id: UUID, **values: Any) -> None:
    """Change an export."""
    with transaction():
        db.session.execute(
            update(table_of(BulkExport))
            .where(of_current_tenant(BulkExport), BulkExport.id == export_id)
            .values(**values)
        )


def _conditions(source: str, request: ExportRequest) -> tuple[Any, ...]:
    return (
        of_current_tenant(BulkExport),
        BulkExport.source == source,
        BulkExport.base_url == request.base_url,
        BulkExport.scope == request.scope,
    )


def _find_last(
    source: str, request: ExportRequest, state: ExportState, **equal: Any
) -> Item | None:
    statement = (
        select(*columns_named(BulkExport, _COLUMNS))
        .where(
            *_conditions(source, request),
            BulkExport.state == state,
            *(getattr(BulkExport, name) == value for name, value in equal.items()),
        )
        .order_by(BulkExport.id.desc())
        .limit(1)
    )
    with transaction():
        return next(iter(fetch_items(statement)), None)
