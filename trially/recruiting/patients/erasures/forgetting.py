"""Delete what names an erased record and has no foreign key to it."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select, text

from trially.database.changes import note_derived
from trially.database.discarding import discard_rows, discarded_tables
from trially.database.placement import current_placement
from trially.database.rows import Item, of_current_tenant, table_of
from trially.database.sealing import field_state, forms_of_text
from trially.database.session import db
from trially.jobs.model import JobFilePart

# Other tables that name the record by its key at the source, and so have no foreign key to it.
_FORGET = (
    # A Binary does not say whom it is about. Those that a document has asked for may be the
    # patient's, so an unended import of the source has to do without them.
    """
    DELETE FROM import_binary USING import_job job
    WHERE import_binary.tenant_id = CAST(:tenant_id AS uuid) AND import_binary.uses > 0
    AND job.tenant_id = import_binary.tenant_id AND job.id = import_binary.import_id
    AND job.source = :source
    """,
    """
    DELETE FROM waiting_fact
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source
    AND patient_key IN (SELECT json_array_elements_text(CAST(:keys AS json)))
    """,
    """
    DELETE FROM record_deletion
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source
    AND base_url = :base_url AND source_type = 'Patient' AND source_id = :source_id
    """,
    """
    DELETE FROM missing_record missing USING import_job job
    WHERE missing.tenant_id = CAST(:tenant_id AS uuid) AND job.tenant_id = missing.tenant_id
    AND job.id = missing.import_id AND job.source = :source
    AND missing.base_url = :base_url AND missing.source_type = 'Patient'
    AND missing.source_id = :source_id
    """,
    """
    DELETE FROM imported_record known USING import_job job
    WHERE known.tenant_id = CAST(:tenant_id AS uuid) AND job.tenant_id = known.tenant_id
    AND job.id = known.import_id AND job.source = :source
    AND known.base_url = :base_url AND known.source_type = 'Patient'
    AND known.source_id = :source_id
    """,
    # A fault never quotes content, but it says which record it is about.
    """
    DELETE FROM import_fault fault USING import_job job
    WHERE fault.tenant_id = CAST(:tenant_id AS uuid) AND job.tenant_id = fault.tenant_id
    AND job.id = fault.import_id AND job.source = :source
    AND ((fault.resource_type = 'Patient' AND fault.resource_id = :source_id)
        OR fault.other_id = :reference OR fault.missing_id = :reference)
    """,
    # An earlier version has deferred facts here.
    """
    DELETE FROM import_deferral deferral USING import_job job
    WHERE deferral.tenant_id = CAST(:tenant_id AS uuid) AND job.tenant_id = deferral.tenant_id
    AND job.id = deferral.import_id AND job.source = :source
    AND strpos(deferral.resource::text, to_json(CAST(:source_id AS text))::text) > 0
    """,
)

PATIENT_KEYS = "waiting_fact.patient_key"

FORGOTTEN_BY_KEY = frozenset(
    {
        *("import_binary", "waiting_fact", "record_deletion", "missing_record"),
        *("imported_record", "import_fault", "import_deferral"),
    }
)
"""The tables that `_FORGET` deletes from."""

FORGOTTEN_BY_ID = frozenset({"idempotency_key"})
"""The tables that `forget_answers` deletes from."""

FORGOTTEN_BY_TRIGGER = frozenset({"match_subject"})
"""The tables whose rows lose the id of a patient who is deleted."""

# An answer that is stored for a repeated request shows the patient, or names them in its path.
_FORGET_ANSWERS = """
DELETE FROM idempotency_key
WHERE tenant_id = CAST(:tenant_id AS uuid)
AND (position(convert_to(:id, 'UTF8') IN body) > 0 OR strpos(operation, :id) > 0
    OR strpos(headers::text, :id) > 0)
"""


_FORGET_SEALED_ANSWERS = """
DELETE FROM idempotency_key
WHERE tenant_id = CAST(:tenant_id AS uuid) AND substr(body, 1, 1) = '\\x01'
"""


def forget(record: Item) -> None:
    """Delete what names an imported record by its key at the source."""
    base_url, source_id = record["base_url"], record["source_id"]
    key = f"{base_url}/Patient/{source_id}" if base_url else source_id
    parameters: dict[str, Any] = {
        "tenant_id": str(current_placement().tenant_id),
        "source": record["source"],
        "base_url": base_url,
        "source_id": source_id,
        "reference": f"Patient/{source_id}",
        "keys": orjson.dumps(
            [form for each in (key, *record["identifier_keys"]) for form in _forms(each)]
        ).decode(),
    }
    for statement in _FORGET:
        db.session.connection().execute(text(statement), parameters)
    note_derived("waiting_fact")


def _forms(key: str) -> list[str]:
    """Return the forms in which the key of a patient is stored: one that names none is readable."""
    return [key, *forms_of_text(PATIENT_KEYS, key)] if "?" in key else [key]


def forget_answers(patient_ids: Collection[UUID]) -> None:
    """Delete the stored answers of requests that show or name some patients.

    SQL cannot search encrypted answers. So all of a tenant with such answers are deleted; they are
    kept for a day at most, for repeated requests.
    """
    if field_state().is_sealed:
        db.session.connection().execute(
            text(_FORGET_SEALED_ANSWERS), {"tenant_id": str(current_placement().tenant_id)}
        )
    for each in patient_ids:
        db.session.connection().execute(
            text(_FORGET_ANSWERS),
            {"tenant_id": str(current_placement().tenant_id), "id": str(each)},
        )


def forget_copies() -> None:
    """Delete what matching has read of all patients, because no row of it is about one alone."""
    for table in discarded_tables():
        discard_rows(table)


def count_waiting_files() -> int:
    """Return how many uploaded files wait for a worker. They are encrypted, and not searched."""
    part = table_of(JobFilePart).c
    return int(
        db.session.execute(
            select(func.count(part.job_id.distinct())).where(of_current_tenant(JobFilePart))
        ).scalar_one()
    )
