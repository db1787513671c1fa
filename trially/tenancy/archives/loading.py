"""Load the rows of an archive into a placement that serves no requests yet."""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import IO

from psycopg2 import sql

from trially.tenancy.archives.errors import ArchiveError, DamagedArchiveError
from trially.tenancy.archives.manifest import Manifest
from trially.tenancy.archives.reading import ArchiveReader
from trially.tenancy.archives.table_streams import TENANT, Lines, write_rows
from trially.tenancy.lifecycle.moving.numbering import continue_numbers
from trially.tenancy.lifecycle.moving.rows import copy_into
from trially.tenancy.lifecycle.moving.sides import SideSession
from trially.tenancy.lifecycle.moving.tables import Column, MovedTable, read_tables

AUDIT_LOG = frozenset(
    {
        *("audit_record", "audit_form", "audit_seal", "audit_subject", "audit_pruning"),
        *("audit_alert", "audit_alert_position"),
    }
)
"""The tables of the audit log. They are never loaded: a log is continued and not replaced."""

JOBS = frozenset({"job", "job_file_part"})
"""The tables of jobs. They are never loaded: work that was queued then is not done again."""

NOT_LOADED = AUDIT_LOG | JOBS

Report = Callable[[str, int], None]


def load_rows(
    file: IO[bytes], target: SideSession, tables: Mapping[str, MovedTable], report: Report
) -> Manifest:
    """Load all rows of an archive, and return its manifest.

    `tables` are those of the target; those that the tenant has alone have no foreign keys now. What
    a former attempt has loaded is removed. `report` is called with the table and with the bytes of
    rows since its last call.
    """
    for name, table in tables.items():
        if name not in NOT_LOADED:
            _empty(target, table)
    reader = ArchiveReader(file, hashes=False)
    for name, parts in groupby(reader.parts(), key=lambda part: part.table):
        if name in NOT_LOADED:
            continue
        if name not in tables:
            raise DamagedArchiveError(f"The archive has the table {name}, which does not exist.")
        _load(target, tables[name], _reported(name, (part.lines for part in parts), report))
    return reader.manifest


def finish_rows(target: SideSession, tables: Mapping[str, MovedTable]) -> None:
    """Let sequences continue behind the loaded rows, and give the planner its statistics."""
    loaded = [table for name, table in tables.items() if name not in NOT_LOADED]
    continue_numbers(target, target, loaded)
    for table in loaded:
        target.run(sql.SQL("ANALYZE {}").format(target.side.table(table.name)))


def compare_columns(tables: Mapping[str, MovedTable], manifest: Manifest) -> None:
    """Raise `ArchiveError` if a table does not have the columns of the archive in their order."""
    different = [
        archived.name
        for archived in manifest.tables
        if archived.name not in tables or _columns_of(tables[archived.name]) != archived.columns
    ]
    if different:
        raise ArchiveError(
            f"These tables differ from those of the archive, at the same revision:"
            f" {', '.join(different)}. `flask tenants diff` shows how the target differs."
        )


def _columns_of(table: MovedTable) -> list[str]:
    return [name for name in table.names if name != TENANT]


def _load(target: SideSession, table: MovedTable, parts: Iterator[bytes]) -> None:
    columns = {column.name: column for column in table.columns}
    ordered = [columns[TENANT], *(column for column in table.columns if column.name != TENANT)]
    lines = Lines(parts, str(target.side.tenant_id))
    with target.transaction():
        if target.side.shares_tables:
            copy_into(target, _with_columns(table, ordered), lines, "text")
        else:
            # Rows that are frozen when they are written are not written again by the next VACUUM.
            _empty(target, table)
            copy_into(target, _with_columns(table, ordered), lines, "text, FREEZE")


def _with_columns(table: MovedTable, columns: list[Column]) -> MovedTable:
    return MovedTable(table.name, tuple(columns))


def _reported(name: str, lines: Iterator[bytes], report: Report) -> Iterator[bytes]:
    for part in lines:
        yield part
        report(name, len(part))


def compare_rows(target: SideSession, tables: Mapping[str, MovedTable], manifest: Manifest) -> None:
    """Read all rows again, and raise `DamagedArchiveError` if they are not those of the archive."""
    for archived in manifest.tables:
        if archived.name in NOT_LOADED:
            continue
        found = write_rows(target, tables[archived.name], lambda _: None)
        if (found.rows, found.hash) != (archived.rows, archived.hash):
            raise DamagedArchiveError(
                f"After the restore, the rows of {archived.name} differ from those of the archive:"
                f" {found.rows} rows in place of {archived.rows}."
            )


def _empty(target: SideSession, table: MovedTable) -> None:
    side = target.side
    statement = "DELETE FROM {} WHERE {}" if side.shares_tables else "TRUNCATE {}"
    target.run(sql.SQL(statement).format(side.table(table.name), side.is_tenants))


def tables_of(target: SideSession) -> Mapping[str, MovedTable]:
    """Return the target's tables by name."""
    return read_tables(target.side)
