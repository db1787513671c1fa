"""Write the JSON of facts, as the database gets it.

Most of it is written as soon as a resource is translated, so that the thread that writes only adds
the patient. PostgreSQL waits for that thread.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import orjson

from trially.recruiting.imports.fhir.meta import Version
from trially.recruiting.imports.writing.upserting import VERSION_COLUMNS, new_id

_NOT_TRANSLATED = frozenset({"base_url", *VERSION_COLUMNS})
"""What the source adds to translated rows."""


def write_row(row: Any) -> bytes:
    """Return the JSON of a translated row. Its digest depends on the order of the names."""
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


def begin_facts(
    rows: Iterable[bytes], content_hash: str, base_url: str, version: Version
) -> list[bytes]:
    """Return the JSON of a resource's facts, each without its end, which names the patient."""
    added: dict[str, Any] = {"content_hash": content_hash, "base_url": base_url}
    # PostgreSQL reads all that is sent, so nulls are not.
    if version.at is not None:
        added["version_at"] = version.at
    if version.number is not None:
        added["version_number"] = version.number
    shared = orjson.dumps(added)[1:-1]
    return [b'{"id":"%b",%b,%b' % (new_id().encode(), shared, row[1:-1]) for row in rows]


def begin_again(
    rows: Sequence[dict[str, Any]], content_hash: str, changes: dict[str, Any]
) -> list[bytes]:
    """Return the JSON of facts of which columns are changed, or that have waited."""
    first = rows[0]
    return begin_facts(
        (
            write_row(
                {name: value for name, value in row.items() if name not in _NOT_TRANSLATED}
                | changes
            )
            for row in rows
        ),
        content_hash,
        first["base_url"],
        Version(first["version_at"], first["version_number"]),
    )


def end_fact(source: str, patient_id: UUID, recorded_patient_id: UUID | None) -> bytes:
    """Return the end of the JSON of a fact, which names its patient."""
    end: dict[str, Any] = {"source": source, "patient_id": patient_id}
    if recorded_patient_id is not None:
        end["recorded_patient_id"] = recorded_patient_id
    return b"," + orjson.dumps(end)[1:]


def join_texts(texts: Iterable[bytes]) -> bytes:
    """Return a JSON array of values that are JSON already."""
    return b"[%b]" % b",".join(texts)
