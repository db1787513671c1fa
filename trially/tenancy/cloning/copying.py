"""Copy the rows of one snapshot of the source into the new tenant, as they are or masked."""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import count

from psycopg2 import sql

from trially.database.classes import Copied, copied_to_clones
from trially.database.model import TenantModel
from trially.keys.throwaway_keys import ThrowawayKey
from trially.tenancy.cloning.errors import UnclassifiedColumnError
from trially.tenancy.cloning.fictions import Fictions
from trially.tenancy.cloning.masking import Masker, Row, TableMasker, texts_of
from trially.tenancy.cloning.people import People
from trially.tenancy.lifecycle.held_snapshots import SnapshotLimit, held_at_most
from trially.tenancy.lifecycle.moving.numbering import continue_numbers
from trially.tenancy.lifecycle.moving.progress import MoveProgress
from trially.tenancy.lifecycle.moving.rows import insert_rows, pipe_rows
from trially.tenancy.lifecycle.moving.sides import Side, SideSession
from trially.tenancy.lifecycle.moving.tables import MovedTable, common_tables

ROWS_AT_A_TIME = 2_000
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def copy_rows(
    source: Side, target: Side, progress: MoveProgress, *, masked: bool, limit: SnapshotLimit
) -> None:
    """Copy what clones get of a tenant. Rows that an attempt before has copied are removed.

    Raises `UnclassifiedColumnError` before anything is copied if a column has no class, and
    `LongSnapshotError` if the snapshot of the source is held longer than `limit` allows.
    """
    tables = [each for each in common_tables(source, target) if _is_copied(each, masked=masked)]
    with (
        target.writing() as theirs,
        source.reading() as ours,
        held_at_most(ours, limit),
    ):
        ours.run(_SNAPSHOT)
        masker = _new_masker(ours, target) if masked else None
        # All rules are known before the first row is copied.
        masks = {each.name: _mask_of(each, masker) for each in tables} if masker else {}
        for table in tables:
            progress.begin_table(table.name)
            with theirs.transaction():
                _remove(theirs, table)
                if masked:
                    _copy_masked(ours, theirs, table, masks[table.name], progress)
                else:
                    _copy(ours, theirs, table, progress)
        if not masked:
            continue_numbers(ours, theirs, tables)


def _is_copied(table: MovedTable, *, masked: bool) -> bool:
    """Return whether a clone gets the rows of a table. Raises `UnclassifiedColumnError`."""
    copied = copied_to_clones(table.name)
    if copied is None:
        raise UnclassifiedColumnError(
            f"The tenant cannot be cloned: the table {table.name} does not say whether clones get"
            " its rows. Add it to `classify` of its model."
        )
    return copied is Copied.ALWAYS or (copied is Copied.UNMASKED and not masked)


def _new_masker(ours: SideSession, target: Side) -> Masker:
    """Return a masker with a new key. It is nowhere but in the memory of this process."""
    fictions, now = Fictions(ThrowawayKey.create()), dt.datetime.now(dt.UTC)
    people = People(fictions, now.date())
    people.read(ours, ours.side.table("patient").as_string(ours.raw))
    moment = now.replace(microsecond=0).isoformat()
    return Masker(str(target.tenant_id), fictions, people, moment)


def _mask_of(table: MovedTable, masker: Masker) -> TableMasker:
    return masker.of_table(TenantModel.metadata.tables[table.name], table.names)


def _remove(theirs: SideSession, table: MovedTable) -> None:
    side = theirs.side
    theirs.run(sql.SQL("DELETE FROM {} WHERE {}").format(side.table(table.name), side.is_tenants))


def _copy(
    ours: SideSession, theirs: SideSession, table: MovedTable, progress: MoveProgress
) -> None:
    """Copy rows as they are, with the id of the new tenant."""
    tenant = sql.SQL("{}::uuid").format(sql.Literal(str(theirs.side.tenant_id)))
    columns = [tenant if name == "tenant_id" else sql.Identifier(name) for name in table.names]
    rows = sql.SQL("SELECT {} FROM {} WHERE {}").format(
        sql.SQL(", ").join(columns), ours.side.table(table.name), ours.side.is_tenants
    )
    progress.count_rows(pipe_rows(ours, rows, theirs, table, progress.count_bytes))


def _copy_masked(
    ours: SideSession,
    theirs: SideSession,
    table: MovedTable,
    masker: TableMasker,
    progress: MoveProgress,
) -> None:
    columns = tuple(each for each in table.columns if each.name in masker.rules)
    written = MovedTable(table.name, columns)
    for rows in _read(ours, table):
        masked = [found for row in rows if (found := masker.mask(row)) is not None]
        texts = [texts_of([row[name] for name in written.names]) for row in masked]
        insert_rows(theirs, written, texts)
        progress.count_rows(len(masked))


def _read(session: SideSession, table: MovedTable) -> Iterator[Sequence[Row]]:
    """Yield the tenant's rows as texts, some thousand at a time."""
    name = sql.Identifier(f"clone_{next(_numbers)}")
    listed = sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(each)) for each in table.names
    )
    session.run(
        sql.SQL("DECLARE {} NO SCROLL CURSOR FOR SELECT {} FROM {} WHERE {}").format(
            name, listed, session.side.table(table.name), session.side.is_tenants
        )
    )
    fetch = sql.SQL("FETCH {} FROM {}").format(sql.Literal(ROWS_AT_A_TIME), name)
    while rows := session.run(fetch):
        yield [dict(zip(table.names, row, strict=True)) for row in rows]
    session.run(sql.SQL("CLOSE {}").format(name))


_numbers = count()
