"""Find and list the records that a full export of a source lacks.

Only types of resources that the export contains are compared, and only records of the servers that
it contains records of.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select, text, update
from uuid_utils.compat import uuid7

from trially.database.placement import current_placement
from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.imports.import_run import ImportRun
from trially.recruiting.imports.missing_records.model import ImportedRecord, MissingRecord
from trially.recruiting.imports.model import Completeness, ImportJob
from trially.recruiting.imports.writing.batches import Batch
from trially.recruiting.imports.writing.upserting import run_with_rows

COMPARED_AT_ONCE = 5_000

_STORED = (
    (
        "clinical_fact",
        "source_type",
        "base_url, source_type, source_id",
        "component = 0 AND withdrawn_at IS NULL",
    ),
    ("document", "source_type", "base_url, source_type, source_id", "withdrawn_at IS NULL"),
    ("patient", "'Patient'", "base_url, source_id", "withdrawn_at IS NULL"),
    ("waiting_fact", "source_type", "base_url, source_type, source_id", "true"),
)
"""Tables of records of sources: SQL of the type, of the key, and of the records in use."""

_NOTE = """
INSERT INTO imported_record (tenant_id, id, import_id, base_url, source_type, source_id,
    is_contained)
SELECT CAST(:tenant_id AS uuid), r.id, :import_id, r.base_url, r.source_type, r.source_id,
    r.is_contained
FROM json_to_recordset(CAST(:rows AS json))
    AS r(id uuid, base_url text, source_type text, source_id text, is_contained boolean)
ON CONFLICT (tenant_id, import_id, base_url, source_type, source_id) DO UPDATE
SET is_contained = false WHERE imported_record.is_contained AND NOT excluded.is_contained
"""

_COMPARE = """
WITH stored AS MATERIALIZED (
    SELECT base_url, {kind} AS source_type, source_id FROM {table}
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source AND {in_use}
    AND ({key}) > ({after})
    ORDER BY {key} LIMIT :most
), missing AS (
    INSERT INTO missing_record (tenant_id, id, import_id, base_url, source_type, source_id)
    SELECT CAST(:tenant_id AS uuid), gen_random_uuid(), :import_id, base_url, source_type, source_id
    FROM stored
    JOIN json_to_recordset(CAST(:kinds AS json)) AS r(base_url text, source_type text)
        USING (base_url, source_type)
    WHERE NOT EXISTS (
        SELECT FROM imported_record seen
        WHERE seen.tenant_id = CAST(:tenant_id AS uuid) AND seen.import_id = :import_id
        AND seen.base_url = stored.base_url AND seen.source_type = stored.source_type
        AND seen.source_id = stored.source_id
    )
    ON CONFLICT DO NOTHING
)
SELECT {key} FROM stored ORDER BY {ordered_backwards} LIMIT 1
"""


def note_records(batch: Batch, run: ImportRun) -> None:
    """Store the keys of the records in a batch of a full export."""
    rows = [
        {**key.columns(), "id": uuid7(), "is_contained": is_contained}
        for key, is_contained in (batch.seen or {}).items()
    ]
    if rows:
        run_with_rows(_NOTE, rows, import_id=run.id)


def find_missing(run: ImportRun, check_time: Callable[[], None]) -> None:
    """Find the records that a full export lacks. `check_time` is called before each transaction."""
    with run.batch_transaction():
        kinds = _find_kinds(run.id)
    for table, kind, key, in_use in _STORED:
        parts = key.split(", ")
        statement = _COMPARE.format(
            table=table,
            kind=kind,
            key=key,
            in_use=in_use,
            after=", ".join(f":{part}" for part in parts),
            ordered_backwards=", ".join(f"{part} DESC" for part in parts),
        )
        after: Mapping[str, Any] | None = dict.fromkeys(parts, "")
        while after is not None:
            check_time()
            with run.batch_transaction():
                after = _compare_some(statement, run, kinds, after)


def list_missing(run: ImportRun) -> None:
    """Say that the records that the import lacks are listed, unless it may withdraw nothing."""
    missing, job = table_of(MissingRecord).c, table_of(ImportJob)
    rows = fetch_items(
        select(missing.source_type, func.count().label("number"))
        .where(of_current_tenant(MissingRecord), missing.import_id == run.id)
        .group_by(missing.source_type)
    )
    db.session.execute(
        update(job)
        .where(
            of_current_tenant(ImportJob),
            job.c.id == run.id,
            job.c.completeness == Completeness.READING,
        )
        .values(
            completeness=Completeness.LISTED,
            missing={row["source_type"]: row["number"] for row in rows},
            updated_at=job.c.updated_at,
        )
    )


def first_missing(import_id: UUID, kinds: Sequence[str], number: int) -> Mapping[str, list[Item]]:
    """Return the first missing records of each type."""
    missing = table_of(MissingRecord).c
    return {
        kind: fetch_items(
            select(*columns_named(MissingRecord, ("base_url", "source_id")))
            .where(
                of_current_tenant(MissingRecord),
                missing.import_id == import_id,
                missing.source_type == kind,
            )
            .order_by(missing.base_url, missing.source_id)
            .limit(number)
        )
        for kind in sorted(kinds)
    }


def _find_kinds(import_id: UUID) -> str:
    """Return the servers and types that the export contains records of, as JSON."""
    seen = table_of(ImportedRecord).c
    rows = fetch_items(
        select(seen.base_url, seen.source_type)
        .where(of_current_tenant(ImportedRecord), seen.import_id == import_id, ~seen.is_contained)
        .distinct()
    )
    return orjson.dumps(rows).decode()


def _compare_some(
    statement: str, run: ImportRun, kinds: str, after: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Compare the stored records after a key, and return the last key; None if there is none."""
    last = (
        db.session.connection()
        .execute(
            text(statement),
            {
                "tenant_id": str(current_placement().tenant_id),
                "source": run.source,
                "import_id": run.id,
                "kinds": kinds,
                "most": COMPARED_AT_ONCE,
                **after,
            },
        )
        .mappings()
        .first()
    )
    return None if last is None else dict(last)
