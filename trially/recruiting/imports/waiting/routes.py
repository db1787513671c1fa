"""Routes of records that wait for a patient."""

from typing import Any

from trially.auth.permissions import Permission, requires
from trially.database.rows import table_of
from trially.http.contract import queries, returns_page
from trially.http.pages import Page
from trially.recruiting.imports.routes import bp
from trially.recruiting.imports.waiting.model import WaitingFact
from trially.recruiting.imports.waiting.schema import WaitingFactSchema, WaitingQuerySchema
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

WAITING = Resource(
    WaitingFact,
    WaitingFactSchema(),
    scope=WHOLE_TENANT,
    filters={"source": equals(table_of(WaitingFact).c.source)},
)


@bp.get("/waiting")
@requires(Permission.IMPORTS_READ)
@queries(WaitingQuerySchema())
@returns_page(WaitingFactSchema())
def list_waiting_records(query: dict[str, Any]) -> Page:
    """List the records that wait for a patient, oldest first.

    An import of the same source that brings the patient writes them. Deleting the import that read
    them last deletes them too.
    """
    return WAITING.page(query)
