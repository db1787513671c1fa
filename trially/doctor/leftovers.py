"""The names of reference databases and roles, and those that a killed process left behind.

Each run holds an advisory lock on the beginning of its names, in the server's maintenance database.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.config import current_settings
from trially.doctor.comparing.snapshots import be_patient
from trially.tenancy.schema.databases import drop_database
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.connections import execute


@contextmanager
def administering(access: ServerAccess) -> Iterator[connection]:
    """Connect to the server's maintenance database, over a connection of its own."""
    with access.administer(access.admin_url.database or "postgres") as raw:
        be_patient(raw)
        yield raw


def reference_prefix() -> str:
    """Return the prefix of the names of all references of this installation."""
    return f"{current_settings().catalog_database}_reference_"


def running_references(raw: connection) -> list[str]:
    """Return the names of databases and roles that belong to doctors that run at the moment."""
    rows = execute(
        raw,
        f"SELECT name FROM ({_NAMES}) names WHERE EXISTS (SELECT FROM pg_locks"
        " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
        " AND (classid::bigint << 32 | objid::bigint)"
        f" = hashtextextended(left(name, {len(reference_prefix()) + 6}), 0))",
        reference_prefix(),
    )
    return [name for (name,) in rows]


_NAMES = (
    "SELECT name FROM (SELECT datname::text FROM pg_database UNION SELECT rolname FROM pg_roles)"
    " AS existing (name) WHERE name ~ ('^' || %s || '[0-9a-f]{6}_([0-9]+[a-z]|owner|reader)$')"
)


def drop_leftovers(raw: connection) -> None:
    """Drop the references of processes that were killed: their advisory locks are free."""
    prefix = reference_prefix()
    runs = {name[: len(prefix) + 6] for (name,) in execute(raw, _NAMES, prefix)}
    for run in sorted(runs):
        [(is_free,)] = execute(raw, "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", run)
        if is_free:
            drop_run(raw, run)
            execute(raw, "SELECT pg_advisory_unlock(hashtextextended(%s, 0))", run)


def drop_run(raw: connection, prefix: str) -> None:
    """Drop the databases and roles of one run."""
    for (name,) in execute(
        raw, "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", prefix
    ):
        drop_database(raw, name)
    for (name,) in execute(
        raw, "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", prefix
    ):
        execute(raw, sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
