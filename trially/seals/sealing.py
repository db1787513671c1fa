"""Seal the records of a log that have no seal yet.

Only records of finished transactions are sealed, in the order of their transaction ids. A
transaction that starts later has a higher id, so no record can come in between afterwards.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.seals.log import SESSION, Key, Log, key_of, period_of, read_lines
from trially.seals.seal import Seal, make_seal

BATCH = 10_000
"""The most records of one seal."""


def seal(raw: connection, log: Log) -> list[Seal]:
    """Seal all records of finished transactions, and return the seals, which the caller commits.

    An advisory lock lets one sealer of a log work at a time, until it commits. The caller's
    transaction must be READ COMMITTED and must not have read the log before: the seals of another
    sealer must be visible as soon as the lock is free.
    """
    with raw.cursor() as cursor:
        cursor.execute(SESSION)
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (log.name,))
        seals: list[Seal] = []
        previous = last_seal(cursor, log)
        while lines := _unsealed(cursor, log, previous.last if previous else None):
            for batch in _of_one_year(log, lines):
                previous = make_seal(log, previous, batch)
                _insert(cursor, log, previous)
                seals.append(previous)
        return seals


def read_stored(cursor: Any, log: Log) -> Iterator[Seal]:
    """Yield the seals in the database, by number."""
    columns = sql.SQL("number, previous, columns, first, last, count, records, checksums, hash")
    number = 0
    while True:
        cursor.execute(
            sql.SQL("SELECT {} FROM {}{} ORDER BY number LIMIT 200").format(
                columns,
                sql.Identifier(log.seals),
                log.where(sql.SQL("number > {}").format(sql.Literal(number))),
            )
        )
        rows = cursor.fetchall()
        if not rows:
            return
        for row in rows:
            yield _from_row(log, row)
        number = rows[-1][0]


def last_seal(cursor: Any, log: Log) -> Seal | None:
    """Return the newest seal, without its checksums."""
    cursor.execute(
        sql.SQL(
            "SELECT number, previous, columns, first, last, count, records, ''::bytea, hash"
            " FROM {}{} ORDER BY number DESC LIMIT 1"
        ).format(sql.Identifier(log.seals), log.where())
    )
    row = cursor.fetchone()
    return None if row is None else _from_row(log, row)


def _unsealed(cursor: Any, log: Log, after: Key | None) -> list[bytes]:
    """Return the next records that can be sealed.

    A transaction of an earlier era ran in a cluster that this one was made from, so it has ended.
    """
    era = log.order[0]
    has_ended = sql.SQL(
        "(transaction_id::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
        " OR {era} < (SELECT max({era}) FROM {table}{own}))"
    ).format(era=sql.Identifier(era), table=sql.Identifier(log.table), own=log.where())
    rest = log.where(has_ended, log.compared(">", after)) + log.ordered + sql.SQL(f" LIMIT {BATCH}")
    return read_lines(cursor, log.copied(log.columns, rest))


def _of_one_year(log: Log, lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Split a batch where the year changes, so that a dropped partition takes whole seals."""
    years = groupby(lines, lambda line: period_of(key_of(line, log.columns, log.order)))
    return (list(batch) for _, batch in years)


def _insert(cursor: Any, log: Log, sealed: Seal) -> None:
    values = {
        **({} if log.tenant_id is None else {"tenant_id": str(log.tenant_id)}),
        "number": sealed.number,
        "previous": sealed.previous,
        "columns": list(sealed.columns),
        "first": list(sealed.first),
        "last": list(sealed.last),
        "count": sealed.count,
        "records": sealed.records,
        "checksums": sealed.checksums,
        "hash": sealed.hash,
    }
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(log.seals),
        log.listed(list(values)),
        sql.SQL(", ").join(sql.Placeholder() * len(values)),
    )
    cursor.execute(statement, list(values.values()))


def _from_row(log: Log, row: Sequence[Any]) -> Seal:
    number, previous, columns, first, last, count, records, checksums, digest = row
    return Seal(
        log=log.name,
        number=number,
        previous=bytes(previous),
        columns=tuple(columns),
        first=tuple(first),
        last=tuple(last),
        count=count,
        records=bytes(records),
        checksums=bytes(checksums),
        hash=bytes(digest),
    )
