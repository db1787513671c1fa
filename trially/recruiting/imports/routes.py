"""Routes of imports."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from flask import Blueprint

from trially.auth.permissions import Permission, requires
from trially.config import current_settings
from trially.database.deadline import start_deadline
from trially.database.rows import Item, table_of
from trially.database.session import transaction
from trially.http.contract import (
    matches_versions,
    queries,
    returns_nothing,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.recruiting.imports.deleting import delete_import as delete_with_faults
from trially.recruiting.imports.model import SORTS, ImportJob
from trially.recruiting.imports.refusals import answering_refusals
from trially.recruiting.imports.schema import ImportQuerySchema, ImportSchema
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

bp = Blueprint("imports", __name__, url_prefix="/imports")

IMPORTS = Resource(
    ImportJob,
    ImportSchema(),
    name="import",
    scope=WHOLE_TENANT,
    order={"id": "desc"},
    sorts=SORTS,
    filters={"state": equals(table_of(ImportJob).c.state)},
)


@bp.get("")
@requires(Permission.IMPORTS_READ)
@queries(ImportQuerySchema())
@returns_page(ImportSchema())
def list_imports(query: dict[str, Any]) -> Page:
    """List imports, newest first.

    The list shows what each import read, and whether it ended. An import whose process was killed
    stays `running`. `sort` changes the order.
    """
    return IMPORTS.page(query)


@bp.get("/<uuid:import_id>")
@requires(Permission.IMPORTS_READ)
@returns_version(ImportSchema())
def show_import(import_id: UUID) -> Item:
    """Show an import.

    Poll a running import by its `ETag` with `If-None-Match`: the answer is 304 until something
    changes.
    """
    return IMPORTS.get(import_id)


@bp.delete("/<uuid:import_id>")
@requires(Permission.IMPORTS_DELETE)
@matches_versions
@returns_nothing
def delete_import(import_id: UUID, versions: Versions | None) -> None:
    """Delete an import with its errors and its waiting records. The imported records stay.

    A running import is answered with 409. An import with very many errors is deleted in several
    transactions. If that is interrupted, its `state` stays `deleting`: delete it again.
    """
    IMPORTS.get(import_id)
    with answering_refusals():
        delete_with_faults(import_id, versions, transaction_in_time)


@contextmanager
def transaction_in_time() -> Iterator[None]:
    """Open a transaction that may take as long as a request may."""
    start_deadline(current_settings().request_timeout_ms)
    with transaction():
        yield
