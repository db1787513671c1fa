"""Columns and tables that tenants of the revision before do not have yet.

Tenants are migrated one after the other, while this version serves all of them. A column says
since which revision it exists:

    nickname: Mapped[str | None] = mapped_column(String(40), info=since("0018"))

and a table likewise, with `__table_args__ = {"info": since("0018")}`. Statements for a tenant
before that revision are compiled without them, whether the session, `rows` or a view composed
them: see `lacking`. `docs/migrations.md` tells when the mark may be removed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Column, FromClause, Table
from sqlalchemy.sql.selectable import CTE, AliasedReturnsRows, Subquery

from trially.database.model import TenantModel
from trially.database.placement import OutdatedTenantError, current_placement, has_placement

SINCE = "trially.since"


@dataclass(frozen=True)
class Lacking:
    """What tenants at one revision do not have yet."""

    tables: frozenset[str] = frozenset()
    columns: frozenset[tuple[str, str]] = frozenset()
    """The names of tables and columns."""

    def __bool__(self) -> bool:
        return bool(self.tables or self.columns)

    def has(self, column: Any) -> bool:
        """Return whether a column of a table, or of an alias of one, is among them."""
        if not isinstance(column, Column):
            return False
        table = table_behind(column.table)
        return table is not None and (table.name, column.name) in self.columns

    def of(self, table: FromClause) -> frozenset[str]:
        """Return the names of the columns of a table that are among them."""
        name = getattr(table, "name", None)
        return frozenset(column for of, column in self.columns if of == name)

    def refuse_table(self, table: FromClause) -> None:
        """Raise `OutdatedTenantError` if a table is among them."""
        if getattr(table, "name", None) in self.tables:
            raise OutdatedTenantError("The tenant does not have this table yet.")


NOTHING = Lacking()


def since(revision: str) -> dict[str, Any]:
    """Return the `info` of a column or a table that a migration adds."""
    if not revision.isdecimal():
        raise ValueError(f"{revision!r} is not the number of a migration.")
    return {SINCE: revision}


def lacking() -> Lacking:
    """Return what the current tenant does not have yet: nothing if its revision is unknown."""
    revision = current_placement().revision if has_placement() else None
    if revision is None or not revision.isdecimal():
        return NOTHING
    return lacking_at(int(revision))


@cache
def lacking_at(revision: int) -> Lacking:
    """Return what tenants at a revision do not have yet."""
    tables = TenantModel.metadata.tables.values()
    return Lacking(
        frozenset(table.name for table in tables if _is_later(table.info, revision)),
        frozenset(
            (table.name, column.name)
            for table in tables
            for column in table.c
            if _is_later(column.info, revision)
        ),
    )


def refuse_values(table: FromClause, rows: Iterator[Mapping[str, Any]], without: Lacking) -> None:
    """Raise `OutdatedTenantError` for a value of a column that the tenant does not have yet.

    The value would be lost. None is no value.
    """
    names = without.of(table)
    for row in rows if names else ():
        for name in names:
            if row.get(name) is not None:
                raise OutdatedTenantError(f"The tenant does not have the column {name} yet.")


def _is_later(info: Mapping[Any, Any], revision: int) -> bool:
    return int(info.get(SINCE, 0)) > revision


def table_behind(selected: Any) -> Table | None:
    """Return the table that something selected from is, or is an alias of; None for a query."""
    while isinstance(selected, AliasedReturnsRows) and not isinstance(selected, Subquery | CTE):
        selected = selected.element
    return selected if isinstance(selected, Table) else None
