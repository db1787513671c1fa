"""Read the catalogs of one database: digests of all rows first, and single rows where needed."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from psycopg2.extensions import connection

from trially.database.watching import WatchedConnection
from trially.doctor.comparing.names import Names
from trially.doctor.comparing.row_texts import RowText, row_texts
from trially.doctor.comparing.statements import counts_sql, digests_sql, rows_sql
from trially.doctor.comparing.system_catalogs import read_system_catalogs
from trially.tenancy.servers.connections import execute

STATEMENT_SECONDS = 120
"""Longest that one statement of the doctor may run on a server."""

LOCK_SECONDS = 2
"""Longest that one statement waits for a table which another transaction has locked."""

_SESSION = (
    f"SET statement_timeout = '{STATEMENT_SECONDS}s'; SET lock_timeout = '{LOCK_SECONDS}s';"
    " SET default_transaction_read_only = on; SET search_path = ''; SET jit = off;"
    " SET role = none; SET quote_all_identifiers = off"
)
"""With an empty search_path, PostgreSQL prints every name with its schema."""


ACL = "acl"
"""Stands for a catalog in the rows that are grants: fields `item` and `owner`."""


class ObjectName(NamedTuple):
    """An object as `pg_identify_object` names it, with placeholders for a placement's names."""

    kind: str
    identity: str


class Row(NamedTuple):
    """A row of a system catalog, or with the catalog "acl" one grant."""

    catalog: str
    fields: Mapping[str, Any]
    object: ObjectName
    parent: ObjectName | None
    """The object that this one is dropped with."""

    definition: str | None
    """A statement that creates the object."""


@dataclass(frozen=True)
class Reader:
    """How the catalogs of one server's databases are read."""

    texts: Mapping[str, RowText]
    unreadable: Mapping[str, Collection[str]]
    """The columns that the administrator may not read, by catalog."""

    @cached_property
    def counts_sql(self) -> str:
        """The statement that counts the rows of each catalog."""
        return counts_sql(self.texts)

    def only(self, catalogs: Collection[str]) -> Mapping[str, RowText]:
        """Return how the rows of some catalogs are read."""
        return {name: text for name, text in self.texts.items() if name in catalogs}


def reader_of(raw: connection) -> Reader:
    """Return how the catalogs of a connection's server are read."""
    catalogs = read_system_catalogs(raw)
    unreadable = {name: each.unreadable for name, each in catalogs.items() if each.unreadable}
    return Reader(row_texts(catalogs), unreadable)


def prepare_session(raw: connection) -> None:
    """Bound the statements of a session, and let it print names in one way."""
    be_patient(raw)
    execute(raw, _SESSION)


def be_patient(raw: connection) -> None:
    """Let the watchdog wait for a busy server: nobody waits for the doctor's statements."""
    if isinstance(raw, WatchedConnection):
        raw.longest_seconds = STATEMENT_SECONDS + LOCK_SECONDS
        raw.stall_seconds = raw.longest_seconds


@dataclass(frozen=True)
class Snapshot:
    """The catalogs of one database, read over a prepared connection."""

    raw: connection
    reader: Reader
    names: Names

    @cached_property
    def _counts(self) -> list[tuple[str, int, int, int]]:
        """Each catalog with its rows of initdb, their versions, and its other rows."""
        return execute(self.raw, self.reader.counts_sql)

    @cached_property
    def _used(self) -> Mapping[str, RowText]:
        """The catalogs with rows that initdb did not make. The statements read no others."""
        return self.reader.only([name for name, _, _, others in self._counts if others])

    def builtin_digests(self) -> Mapping[str, tuple[int, int]]:
        """Return the number and the versions of PostgreSQL's own rows, by catalog."""
        return {name: (count, int(versions)) for name, count, versions, _ in self._counts}

    def digests(self, excluded: Collection[str] = ()) -> Mapping[str, tuple[int, str]]:
        """Return the number of rows and their digest by scope. A scope is a schema, or empty."""
        rows = self._query(digests_sql(self._used), excluded=list(excluded))
        return {scope: (count, digest) for scope, count, digest in rows}

    def rows(self, scopes: Collection[str]) -> Mapping[str, list[Row]]:
        """Return the rows of some scopes."""
        read: dict[str, list[Row]] = {scope: [] for scope in scopes}
        for scope, *values in self._query(rows_sql(self._used), wanted=list(scopes)):
            read[scope].append(self._row(scope, values))
        return read

    def builtin_rows(self, catalogs: Collection[str]) -> list[Row]:
        """Return PostgreSQL's own rows of some catalogs."""
        rows = self._query(rows_sql(self.reader.only(catalogs), builtin=True))
        return [self._row("", values) for _, *values in rows]

    def _row(self, scope: str, values: list[Any]) -> Row:
        catalog, content, kind, identity, above, above_identity, schema, definition = values

        def canonical(text: str) -> str:
            return self.names.replace(text, scope)

        parent = None
        if above is not None:
            parent = ObjectName(above, canonical(above_identity))
        elif schema is not None:
            parent = ObjectName("schema", canonical(schema))
        return Row(
            catalog,
            json.loads(canonical(content)),
            ObjectName(kind or catalog, canonical(identity or content)),
            parent,
            canonical(definition) if definition else None,
        )

    def _query(self, statement: str, **parameters: Any) -> list[Any]:
        units = [unit.__dict__ for unit in self.names.units]
        common = {
            "units": json.dumps(units),
            "excluded": [],
            "login": self.names.login,
            "tenant_id": self.names.tenant_id,
        }
        with self.raw.cursor() as cursor:
            cursor.execute(statement, {**common, **parameters})
            return cursor.fetchall()
