"""Seal the records of a log that have no seal yet.

Only records of finished transactions are sealed, in the order of their transaction ids. A
transaction that starts later has a higher id, so no record can come in between afterwards.
"""

from collections.abc import Iterator, Sequence
from itertools import count, groupby
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.seals.log import SESSION, Key, Log, key_of, period_of, read_lines
from trially.seals.seal import Seal, make_seal

BATCH = 10_000
"""The most records of one seal."""


def seal(raw: connection, log: Log, most: int | None = None) -> list[Seal]:
    """Seal the records of finished transactions, and return the seals, which the caller commits.

    All are sealed, or those of the first `most` batches of `BATCH` records.

    An advisory lock lets one sealer of a log work at a time, until it commits. The caller's
    transaction must be READ COMMITTED and must not have read the log before: the seals of another
    sealer must be visible as soon as the lock is free.
    """
    with raw.cursor() as cursor:
        lock(cursor, log)
        cursor.execute(SESSION)
        seals: list[Seal] = []
        previous = last_seal(cursor, log)
        rounds = count() if most is None else range(most)
        for _ in rounds:
            lines = _unsealed(cursor, log, previous.last if previous else None)
            if not lines:
                break
            for batch in _of_one_year(log, lines):
                previous = make_seal(log, previous, batch)
                _insert(cursor, log, previous)
                seals.append(previous)
        return seals


def lock(cursor: Any, log: Log) -> None:
    """Wait until no other sealer of the log works. The lock is held until the transaction ends."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (log.name,))


def read_stored(cursor: Any, log: Log, after: int = 0) -> Iterator[Seal]:
    """Yield the seals in the database with a number above `after`, by number."""
    columns = sql.SQL("number, previous, columns, first, last, count, records, checksums, hash")
    number = after
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


def read_checksums(cursor: Any, log: Log, number: int) -> bytes:
    """Return the checksums of the records of one seal."""
    cursor.execute(
        sql.SQL("SELECT checksums FROM {}{}").format(
            sql.Identifier(log.seals),
            log.where(sql.SQL("number = {}").format(sql.Literal(number))),
        )
    )
    row = cursor.fetchone()
    return b"" if row is None else bytes(row[0])


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
    era = sql.Identifier(log.order[0])
    newest: sql.Composable = sql.SQL("(SELECT max({era}) FROM {table}{own})").format(
        era=era, table=sql.Identifier(log.table), own=log.where()
    )
    if log.current_era is not None:
        newest = sql.Literal(log.current_era)
    has_ended = sql.SQL(
        "(transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::{type}"
        " OR {era} < {newest})"
    ).format(type=sql.SQL(log.transaction_type), era=era, newest=newest)
    limit = log.ordered + sql.SQL(f" LIMIT {BATCH}")
    parts = [
        sql.SQL("(SELECT * FROM {}{}{})").format(
            sql.Identifier(log.table), log.where(has_ended, condition), limit
        )
        for condition in log.following(after)
    ]
    return read_lines(
        cursor,
        sql.SQL("COPY (SELECT {} FROM ({}) AS following{}) TO STDOUT").format(
            log.listed(log.columns), sql.SQL(" UNION ALL ").join(parts), limit
        ),
    )


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
