"""Delete imports with their faults and waiting facts. The imported records stay."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import UUID

from sqlalchemy import not_, text

from trially.audit.recording import note
from trially.database.changes import note_derived
from trially.database.placement import current_placement
from trially.database.rows import Model, delete_item, table_of
from trially.database.session import db, transaction
from trially.errors import OperatorError
from trially.http.etags import Versions
from trially.recruiting.imports.faults.model import ImportFault
from trially.recruiting.imports.missing_records.model import ImportedRecord, MissingRecord
from trially.recruiting.imports.model import ImportJob, ImportState
from trially.recruiting.imports.slots import is_leased
from trially.recruiting.imports.waiting.model import ImportDeferral, WaitingFact
from trially.recruiting.imports.writing.model import ImportBinary
from trially.resources.optimistic_locking import change_seen

DELETED_AT_ONCE = 10_000
"""Rows that one transaction deletes, so that none holds locks for long."""

_DELETE_SOME = """
WITH doomed AS (
    SELECT id FROM {table}
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND import_id = :import_id AND id > :after
    ORDER BY id LIMIT :most
), deleted AS (
    DELETE FROM {table} USING doomed
    WHERE {table}.tenant_id = CAST(:tenant_id AS uuid) AND {table}.id = doomed.id
)
SELECT id FROM doomed ORDER BY id DESC LIMIT 1
"""
_LOWEST_ID = UUID(int=0)

Begin = Callable[[], AbstractContextManager[None]]


class ImportRunningError(OperatorError):
    """A running import cannot be deleted."""


def delete_import(
    import_id: UUID, versions: Versions | None = None, begin: Begin = transaction
) -> None:
    """Delete an import that exists and does not run, in several transactions that `begin` opens.

    If the process dies meanwhile, the import's state stays `deleting`, and deleting it again
    continues. Raises `ImportRunningError`, and `PreconditionFailed` if it has another version.
    """
    with begin():
        # From here on the import cannot be continued.
        values = {"state": ImportState.DELETING, "lease_until": None}
        is_idle = not_(is_leased()) | table_of(ImportJob).c.lease_until.is_(None)
        if change_seen(ImportJob, import_id, versions, values, ("id",), is_idle) is None:
            raise ImportRunningError(
                "This import is running. Wait until it ends, and delete it then."
            )
        note(import_id=import_id, deletes_import=True)
    for model in (
        ImportFault,
        WaitingFact,
        ImportDeferral,
        ImportBinary,
        ImportedRecord,
        MissingRecord,
    ):
        delete_rows_of(import_id, model, begin)
    with begin():
        delete_item(ImportJob, import_id)


def delete_rows_of(import_id: UUID, model: Model, begin: Begin) -> None:
    """Delete an import's rows of a model, some in each transaction that `begin` opens."""
    statement = text(_DELETE_SOME.format(table=table_of(model).name))
    after: UUID | None = _LOWEST_ID
    while after is not None:
        with begin():
            after = db.session.execute(
                statement,
                {
                    "tenant_id": str(current_placement().tenant_id),
                    "import_id": import_id,
                    "after": after,
                    "most": DELETED_AT_ONCE,
                },
            ).scalar()
            note_derived(table_of(model).name)
