"""Routes of the records that a full export lacks."""

from typing import Any
from uuid import UUID

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.database.session import open_transaction
from trially.http.contract import queries, returns_page, returns_version
from trially.http.pages import Page
from trially.recruiting.imports.missing_records.model import MissingRecord
from trially.recruiting.imports.missing_records.schema import (
    MissingQuerySchema,
    MissingRecordSchema,
)
from trially.recruiting.imports.missing_records.withdrawing import withdraw_missing
from trially.recruiting.imports.refusals import answering_refusals
from trially.recruiting.imports.routes import IMPORTS, bp, transaction_in_time
from trially.recruiting.imports.schema import ImportSchema
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

MISSING = Resource(
    MissingRecord,
    MissingRecordSchema(),
    scope=WHOLE_TENANT,
    filters={
        "import_id": equals(table_of(MissingRecord).c.import_id),
        "type": equals(table_of(MissingRecord).c.source_type),
    },
)


@bp.get("/<uuid:import_id>/missing")
@requires(Permission.IMPORTS_READ)
@queries(MissingQuerySchema())
@returns_page(MissingRecordSchema())
def list_missing_records(import_id: UUID, query: dict[str, Any]) -> Page:
    """List the records that a full export lacks.

    They are of the types of resources that the export contains. The list is empty for an import
    that was not sent with `complete`.
    """
    IMPORTS.get(import_id)
    return MISSING.page(query, import_id=import_id)


@bp.post("/<uuid:import_id>/withdrawal")
@requires(Permission.IMPORTS_WRITE)
@returns_version(ImportSchema())
def withdraw_missing_records(import_id: UUID) -> Item:
    """Withdraw the records that a full export lacks.

    Withdrawn records stay, with `withdrawn_reason` `missing_from_export`, and are left out of
    lists. They come back with an import that has them. The answer is the import. It is 409 if the
    import was not sent with `complete`, failed or could not read a part of its input, or if another
    import of the source has run since it began. Send an interrupted request again to continue.
    """
    IMPORTS.get(import_id)
    with answering_refusals():
        withdraw_missing(import_id, transaction_in_time)
    open_transaction()
    return IMPORTS.get(import_id)
