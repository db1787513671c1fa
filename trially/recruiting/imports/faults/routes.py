"""Routes of the errors of imports."""

from typing import Any
from uuid import UUID

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.contract import queries, returns, returns_page
from trially.http.pages import Page
from trially.recruiting.imports.faults.groups import group_faults
from trially.recruiting.imports.faults.model import ImportFault
from trially.recruiting.imports.faults.schema import (
    FaultGroupsSchema,
    FaultQuerySchema,
    FaultSchema,
)
from trially.recruiting.imports.routes import IMPORTS, bp
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

FAULTS = Resource(
    ImportFault,
    FaultSchema(),
    scope=WHOLE_TENANT,
    order={"concerns": "asc", "id": "asc"},
    filters={
        "import_id": equals(table_of(ImportFault).c.import_id),
        "code": equals(table_of(ImportFault).c.code),
        "type": equals(table_of(ImportFault).c.resource_type),
        "concerns": equals(table_of(ImportFault).c.concerns),
    },
)


@bp.get("/<uuid:import_id>/errors")
@requires(Permission.IMPORTS_READ)
@queries(FaultQuerySchema())
@returns_page(FaultSchema())
def list_import_errors(import_id: UUID, query: dict[str, Any]) -> Page:
    """List what an import did not import, and why.

    Errors that concern the whole input come first, then those of records, then those of values.
    Each names the line in NDJSON or the entry in a Bundle, from 1, and the resource, and never
    quotes it. Of an import with very many errors, only the first ones and some of each kind are
    listed.
    """
    IMPORTS.get(import_id)
    return FAULTS.page(query, import_id=import_id)


@bp.get("/<uuid:import_id>/errors/groups")
@requires(Permission.IMPORTS_READ)
@returns(FaultGroupsSchema())
def group_import_errors(import_id: UUID) -> Item:
    """Group the errors of an import by code and type of resource.

    The largest group comes first. Each has its number of errors and its first ones as examples.
    `GET /imports/{import_id}/errors` lists all stored errors of a group by `code` and `type`.
    """
    return {"groups": group_faults(IMPORTS.get(import_id))}
