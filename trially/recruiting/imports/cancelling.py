"""End imports whose job was cancelled. The records of their committed batches stay."""

from dataclasses import replace
from uuid import UUID

from trially.audit.forms import Action
from trially.audit.working import working
from trially.config import current_settings
from trially.database.rows import find_item
from trially.database.session import transaction
from trially.recruiting.imports.import_run import ImportRun
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.model import UNFINISHED, ImportJob
from trially.recruiting.imports.waiting.waiting_facts import WaitingFacts

_NAMES = ("source", "fingerprint", "strict", "started_by", "completeness", "state")


@working(Action.IMPORT)
def cancel_import(import_id: UUID) -> None:
    """End an import of the current tenant as `cancelled`, unless it has ended already.

    A process that still runs the import loses it. What the import has read and not yet used is
    deleted: the texts of its Binary resources, and the list of records of a full export.
    """
    with transaction():
        row = find_item(ImportJob, import_id, _NAMES)
    if row is None or row["state"] not in UNFINISHED:
        return
    limits = replace(ImportLimits.of_upload(current_settings()), most_of_tenant=None)
    run = ImportRun(
        limits,
        source=row["source"],
        fingerprint=row["fingerprint"],
        strict=row["strict"],
        started_by=row["started_by"],
        is_complete=row["completeness"] is not None,
        import_id=import_id,
    )
    WaitingFacts(run, limits).keep_texts()
    run.cancel()
