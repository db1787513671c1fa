"""Write the index of the patients in sealed records, `audit_subject`.

There are two levels. An index of level 0 covers the seals of some thousand records, as soon as
there are so many. Once the indexes of level 0 cover enough records, one of level 1 covers the same
seals, and is read instead. So a search reads few indexes, and none is ever changed.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from psycopg2.extensions import connection
from uuid_utils.compat import uuid7

from trially.audit.subject_index import SubjectIndex, build_index
from trially.seals import Log
from trially.seals.sealing import lock

RECORDS_OF_LEVEL = (4096, 65536)
"""The records from which an index of each level is written."""

_NEXT_SEALS = """
    SELECT number, count, first, last FROM audit_seal
    WHERE tenant_id = %(tenant_id)s AND number > (
        SELECT coalesce(max(last_seal), 0) FROM audit_subject
        WHERE tenant_id = %(tenant_id)s AND level = %(level)s)
    ORDER BY number
"""
_RECORDS = """
    SELECT id, subjects FROM audit_record WHERE tenant_id = %s
    AND (epoch, transaction_id, id) >= (%s, %s, %s)
    AND (epoch, transaction_id, id) <= (%s, %s, %s)
    ORDER BY epoch, transaction_id, id
"""
_INSERT = """
    INSERT INTO audit_subject (tenant_id, id, level, first_seal, last_seal, first_number, shift,
        record_ids, directory, entries)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def extend_index(raw: connection, log: Log) -> int:
    """Index the sealed records that are enough for an index, and return how many indexes that made.

    The caller commits. Only one sealer of the log works at a time.
    """
    with raw.cursor() as cursor:
        lock(cursor, log)
        return sum(_extend(cursor, log.tenant_id, level) for level in range(len(RECORDS_OF_LEVEL)))


def _extend(cursor: Any, tenant_id: UUID | None, level: int) -> int:
    made = 0
    for seals in _enough_seals(cursor, tenant_id, RECORDS_OF_LEVEL[level], level):
        (first_seal, _, first, _), (last_seal, _, _, last) = seals[0], seals[-1]
        cursor.execute(_RECORDS, (str(tenant_id), *first, *last))
        index = build_index((id_.bytes, _bytes(subjects)) for id_, subjects in cursor)
        _insert(cursor, tenant_id, level, (first_seal, last_seal), index)
        made += 1
    return made


def _enough_seals(
    cursor: Any, tenant_id: UUID | None, records: int, level: int
) -> Iterator[list[Any]]:
    """Yield groups of consecutive seals that no index of the level covers, with enough records."""
    cursor.execute(_NEXT_SEALS, {"tenant_id": str(tenant_id), "level": level})
    seals: list[Any] = []
    for seal in cursor.fetchall():
        seals.append(seal)
        if sum(count for _, count, _, _ in seals) >= records:
            yield seals
            seals = []


def _insert(
    cursor: Any, tenant_id: UUID | None, level: int, seals: tuple[int, int], index: SubjectIndex
) -> None:
    values = (index.first_number, index.shift, index.record_ids, index.directory, index.entries)
    cursor.execute(_INSERT, (str(tenant_id), str(uuid7()), level, *seals, *values))


def _bytes(value: Any) -> bytes:
    return b"" if value is None else bytes(value)
