"""The rows of waiting facts, and the statements that write and delete them."""

from typing import Any, TypedDict, get_type_hints
from uuid import UUID

from trially.recruiting.imports.waiting.model import WaitingFact
from trially.recruiting.imports.writing.resources import TranslatedResource
from trially.recruiting.imports.writing.upserting import compose_insert, is_newer


class StoredResource(TypedDict):
    """What is stored of a fact that waits, ready for JSON."""

    resource: dict[str, Any]
    json_bytes: int
    awaits_binary: bool


class WaitingRow(StoredResource):
    """A waiting fact, ready for JSON."""

    id: UUID
    source: str
    base_url: str
    source_type: str
    source_id: str
    patient_key: str
    version_at: str | None
    version_number: int | None
    import_id: UUID
    file: str
    line: int


_KEY = ("source", "base_url", "source_type", "source_id")
_STORED = [name for name in get_type_hints(WaitingRow) if name not in ("id", *_KEY)]

# Of two versions the newer one is kept; of two without versions, the last one that was read.
KEEP = f"""
{compose_insert(WaitingFact, WaitingRow, added=[])}
ON CONFLICT (tenant_id, {", ".join(_KEY)}) DO UPDATE
SET {", ".join(f"{name} = excluded.{name}" for name in _STORED)}, waiting_since = now()
WHERE {is_newer("waiting_fact", "excluded")} IS NOT TRUE
RETURNING xmax = 0 AS is_new
"""

_SAME_KEY = """
json_to_recordset(CAST(:rows AS json)) AS r(base_url text, source_type text, source_id text,
    version_at timestamptz, version_number bigint)
WHERE waiting_fact.tenant_id = CAST(:tenant_id AS uuid) AND waiting_fact.source = :source
AND waiting_fact.base_url = r.base_url AND waiting_fact.source_type = r.source_type
AND waiting_fact.source_id = r.source_id
"""
# A version that is newer than the written one still waits.
FORGET = f"""
DELETE FROM waiting_fact USING {_SAME_KEY} AND {is_newer("waiting_fact", "r")} IS NOT TRUE
"""
REPLACE = """
UPDATE waiting_fact SET resource = r.resource, json_bytes = r.json_bytes,
    awaits_binary = r.awaits_binary
FROM json_to_recordset(CAST(:rows AS json))
    AS r(id uuid, resource jsonb, json_bytes integer, awaits_binary boolean)
WHERE waiting_fact.tenant_id = CAST(:tenant_id AS uuid) AND waiting_fact.id = r.id
"""
FIND = (
    "SELECT waiting_fact.base_url, waiting_fact.source_type, waiting_fact.source_id"
    f" FROM waiting_fact, {_SAME_KEY}"
)


def key_of(fact: TranslatedResource) -> dict[str, str]:
    """Return the key of a fact within its source."""
    return {"base_url": base_url_of(fact), "source_type": fact.type, "source_id": fact.id}


def base_url_of(fact: TranslatedResource) -> str:
    """Return the base URL of a fact, empty if it has none of its own."""
    base_url: str = fact.rows[0].get("base_url") or ""
    return base_url
