"""Copy the rows of a snapshot of the source to the target, and compare them.

The target may have rows already: those of a copy that was interrupted, or of a placement that the
tenant has left. Then only what differs is copied.
"""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice

from psycopg2 import sql

from trially.tenancy.lifecycle.moving.comparing import hash_buckets, hash_rows_of
from trially.tenancy.lifecycle.moving.errors import MismatchError
from trially.tenancy.lifecycle.moving.progress import MoveProgress
from trially.tenancy.lifecycle.moving.rows import delete_rows, pipe_rows
from trially.tenancy.lifecycle.moving.sides import Side, SideSession
from trially.tenancy.lifecycle.moving.tables import MovedTable

CHUNK = 5_000
"""How many rows are named in one statement."""

_ALL = sql.SQL("true")


def copy_snapshot(
    source: Side,
    theirs: SideSession,
    snapshot: str,
    tables: Sequence[MovedTable],
    progress: MoveProgress,
) -> None:
    """Make the target's rows (`theirs`) equal to those of a snapshot of the source.

    Raises `MismatchError` if they differ after that.
    """
    with source.reading() as ours:
        _enter_snapshot(ours, snapshot)
        for table in tables:
            progress.begin_table(table.name)
            if _has_rows(theirs, table):
                _copy_differences(ours, theirs, table, progress)
            else:
                _copy(ours, theirs, table, progress)
            if different := _differing_rows(ours, theirs, table):
                raise mismatch(table, sorted(different.all))


def mismatch(table: MovedTable, ids: Sequence[str]) -> MismatchError:
    """Return the error that names the first rows that differ."""
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return MismatchError(
        f"Rows of {table.name} differ at the target: {', '.join(ids[:3])}{more}."
        " The tenant stays where it is."
    )


@dataclass(frozen=True)
class _Differences:
    """The ids of rows that differ."""

    missing: AbstractSet[str]
    """Those that the target does not have as the source has them."""

    superfluous: AbstractSet[str]
    """Those that the target has, and has otherwise than the source."""

    @property
    def all(self) -> AbstractSet[str]:
        return self.missing | self.superfluous


def _enter_snapshot(session: SideSession, snapshot: str) -> None:
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    session.run(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))


def _has_rows(session: SideSession, table: MovedTable) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} LIMIT 1")
    side = session.side
    return bool(session.run(query.format(side.table(table.name), side.is_tenants)))


def _copy(
    ours: SideSession,
    theirs: SideSession,
    table: MovedTable,
    progress: MoveProgress,
    condition: sql.Composable = _ALL,
) -> None:
    """Copy the tenant's rows that meet a condition, in one transaction."""
    rows = sql.SQL("SELECT {} FROM {} WHERE {} AND {}").format(
        table.listed, ours.side.table(table.name), ours.side.is_tenants, condition
    )
    with theirs.transaction():
        progress.count_rows(pipe_rows(ours, rows, theirs, table, progress.count_bytes))


def _copy_differences(
    ours: SideSession, theirs: SideSession, table: MovedTable, progress: MoveProgress
) -> None:
    """Copy the rows that differ, and delete those that the source has no more."""
    different = _differing_rows(ours, theirs, table)
    if different is None:
        return
    for chunk in _chunks(different.superfluous):
        delete_rows(theirs, table, chunk)
    for chunk in _chunks(different.missing):
        condition = sql.SQL("id = ANY ({}::uuid[])").format(sql.Literal(chunk))
        _copy(ours, theirs, table, progress, condition)


def _differing_rows(
    ours: SideSession, theirs: SideSession, table: MovedTable
) -> _Differences | None:
    """Return the rows that differ, or None: then the hashes of all buckets are equal."""
    here, there = hash_buckets(ours, table), hash_buckets(theirs, table)
    buckets = [each for each in here.keys() | there.keys() if here.get(each) != there.get(each)]
    if not buckets:
        return None
    mine, other = hash_rows_of(ours, table, buckets), hash_rows_of(theirs, table, buckets)
    return _Differences(
        {id_ for id_, value in mine.items() if other.get(id_) != value},
        {id_ for id_, value in other.items() if mine.get(id_) != value},
    )


def _chunks(ids: Collection[str]) -> Sequence[list[str]]:
    remaining = iter(sorted(ids))
    chunks: list[list[str]] = []
    while chunk := list(islice(remaining, CHUNK)):
        chunks.append(chunk)
    return chunks
