"""Write the index of the patients in sealed records, `audit_subject`.

There are two levels. An index of level 0 covers the seals of some thousand records, as soon as
there are so many. Once the indexes of level 0 cover enough records, one of level 1 covers the same
seals, and is read instead. So a search reads few indexes, and none is ever changed.
"""

import hashlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection
from uuid_utils.compat import uuid7

from trially.audit.subject_index import SubjectIndex, build_index
from trially.seals import Log
from trially.seals.log import Key
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
_INDEXES = """
    SELECT level, first_seal, last_seal, one.first, other.last, first_number, shift,
        sha256(record_ids), sha256(directory), sha256(entries)
    FROM audit_subject
    JOIN audit_seal AS one ON one.tenant_id = audit_subject.tenant_id AND one.number = first_seal
    JOIN audit_seal AS other
        ON other.tenant_id = audit_subject.tenant_id AND other.number = last_seal
    WHERE audit_subject.tenant_id = %(tenant_id)s AND NOT EXISTS (
        SELECT FROM audit_pruning WHERE audit_pruning.tenant_id = audit_subject.tenant_id
        AND year <= extract(year FROM to_timestamp(
            ('x' || left(replace(one.first[3], '-', ''), 12))::bit(48)::bigint / 1000.0)
            AT TIME ZONE 'UTC'))
    ORDER BY level, first_seal
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
        return sum(_extend(cursor, log, level) for level in range(len(RECORDS_OF_LEVEL)))


def _extend(cursor: Any, log: Log, level: int) -> int:
    made = 0
    for seals in _enough_seals(cursor, log.tenant_id, RECORDS_OF_LEVEL[level], level):
        (first_seal, _, first, _), (last_seal, _, _, last) = seals[0], seals[-1]
        index = _build(cursor, log, tuple(first), tuple(last))
        _insert(cursor, log.tenant_id, level, (first_seal, last_seal), index)
        made += 1
    return made


def _build(cursor: Any, log: Log, first: Key, last: Key) -> SubjectIndex:
    """Return the index of the records between two keys, these included."""
    rest = log.where(log.within(first, last)) + log.ordered
    cursor.execute(sql.SQL("SELECT uuid_send(id), subjects FROM audit_record") + rest)
    return build_index((bytes(id_), _bytes(subjects)) for id_, subjects in cursor)


def first_wrong_index(raw: connection, log: Log) -> str | None:
    """Build each index again, and return a sentence about the first that differs.

    An index is left out if retention has removed some of its records.
    """
    with raw.cursor() as cursor:
        cursor.execute(_INDEXES, {"tenant_id": str(log.tenant_id)})
        for level, first_seal, last_seal, first, last, *stored in cursor.fetchall():
            built = _build(cursor, log, tuple(first), tuple(last))
            values = (built.first_number, built.shift, *_digests(built))
            kept = tuple(each if isinstance(each, int) else bytes(each) for each in stored)
            if kept != values:
                return (
                    f"The index of patients for the seals {first_seal} to {last_seal} (level"
                    f" {level}) was changed."
                )
    return None


def _digests(index: SubjectIndex) -> Iterator[bytes]:
    parts = (index.record_ids, index.directory, index.entries)
    return (hashlib.sha256(part).digest() for part in parts)


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
