"""What the servers of a move refuse: logical decoding, rights of the mover, and old transactions.

The mover logs in as each server's administrator.
"""

import csv
from collections.abc import Iterator

from psycopg2.extensions import connection

from trially.tenancy.lifecycle.moving.blockers import Blocker
from trially.tenancy.lifecycle.moving.retained_wal import max_retained_wal
from trially.tenancy.servers.connections import execute

PLUGIN = "pgoutput"

NOT_OWNER = "not_owner"
"""The code of a blocker: the administrator cannot read the tenants' tables."""

OLD_SECONDS = 10
"""A writing transaction of this age delays the slot for longer than one waits without a word."""

MEMBERSHIP_NEEDS_SET = 160_000
"""From PostgreSQL 16 on, a member of a role can enter it only if the grant says WITH SET."""

MEGABYTE = 2**20

_SETTINGS = """
SELECT name, setting FROM pg_settings
WHERE name IN ('wal_level', 'max_replication_slots', 'max_wal_senders', 'output_plugin_libraries')
"""
_OLD_TRANSACTIONS = """
SELECT pid, coalesce(nullif(application_name, ''), usename, backend_type),
    coalesce(datname, 'no database'), extract(epoch FROM now() - xact_start)::int
FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
    AND xact_start < now() - make_interval(secs => %s)
"""
"""Transactions that have written. Making a slot waits for them, in all databases of the server."""

_OLD_PREPARED = """
SELECT quote_literal(gid), database, extract(epoch FROM now() - prepared)::int
FROM pg_prepared_xacts WHERE prepared < now() - make_interval(secs => %s)
"""


def check_decoding(raw: connection, server: str) -> Iterator[Blocker]:
    """Yield why the source's server cannot decode its changes for a mover."""
    settings = dict(execute(raw, _SETTINGS))
    if settings["wal_level"] != "logical":
        yield Blocker(
            "wal_level",
            f"wal_level of the server {server!r} is {settings['wal_level']}.",
            "Set wal_level = logical, and restart the server.",
        )
    for code, setting, used_by in (
        ("no_free_slot", "max_replication_slots", "pg_replication_slots"),
        ("no_free_sender", "max_wal_senders", "pg_stat_replication"),
    ):
        [(used,)] = execute(raw, f"SELECT count(*) FROM {used_by}")
        if used >= int(settings[setting]):
            yield Blocker(
                code,
                f"{used} of {settings[setting]} ({setting}) are used on the server {server!r}.",
                f"Raise {setting} and restart the server, or end what uses them: see {used_by}.",
            )
    libraries = settings.get("output_plugin_libraries")
    if libraries is not None and PLUGIN not in names_in(libraries):
        yield Blocker(
            "output_plugin",
            f"output_plugin_libraries of the server {server!r} is {libraries}, without {PLUGIN}."
            " A list in one pair of quotes is one name.",
            f"Set output_plugin_libraries = '{PLUGIN}' in postgresql.conf, or with ALTER SYSTEM and"
            " one pair of quotes for each name, and reload the configuration.",
        )


def names_in(libraries: str) -> list[str]:
    """Return the names of a list of libraries, as PostgreSQL reads it.

    A name in double quotes may contain commas.
    """
    return next(csv.reader([libraries], skipinitialspace=True), [])


def check_source_rights(raw: connection, server: str, owner: str) -> Iterator[Blocker]:
    """Yield what the mover may not do at the source."""
    [(role, may_replicate)] = execute(
        raw,
        "SELECT rolname, rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user",
    )
    if not may_replicate:
        yield Blocker(
            "no_replication",
            f"The role {role} on the server {server!r} has no REPLICATION.",
            f"Run ALTER ROLE {role} REPLICATION there, as a superuser.",
        )
    yield from _check_membership(raw, server, owner)


def check_target_rights(raw: connection, server: str, owner: str) -> Iterator[Blocker]:
    """Yield what the mover may not do at the target."""
    [(role, may_set)] = execute(
        raw,
        "SELECT current_user,"
        " has_parameter_privilege(current_user, 'session_replication_role', 'SET')",
    )
    if not may_set:
        yield Blocker(
            "no_replication_role",
            f"The role {role} on the server {server!r} may not set session_replication_role, so"
            " triggers would change the copied rows.",
            f"Run GRANT SET ON PARAMETER session_replication_role TO {role} there, as a superuser.",
        )
    yield from _check_membership(raw, server, owner)


def _check_membership(raw: connection, server: str, owner: str) -> Iterator[Blocker]:
    kind = "SET" if raw.server_version >= MEMBERSHIP_NEEDS_SET else "MEMBER"
    rows = execute(
        raw,
        "SELECT current_user, pg_has_role(current_user, oid, %s) FROM pg_roles WHERE rolname = %s",
        kind,
        owner,
    )
    if not rows or not rows[0][1]:
        role = rows[0][0] if rows else "of the administrator"
        yield Blocker(
            NOT_OWNER,
            f"The role {role} on the server {server!r} cannot become {owner}, the owner of the"
            " tables.",
            f"Run GRANT {owner} TO the administrator there. `flask servers add` does it for a new"
            " server.",
        )


def check_transactions(
    raw: connection, server: str, seconds: int = OLD_SECONDS
) -> Iterator[Blocker]:
    """Yield the old transactions of the source's server, for which making a slot would wait."""
    for process, name, database, age in execute(raw, _OLD_TRANSACTIONS, seconds):
        yield _old_transaction(
            server,
            f"process {process} ({name} in {database})",
            age,
            f"End it, or run SELECT pg_terminate_backend({process}).",
        )
    for name, database, age in execute(raw, _OLD_PREPARED, seconds):
        yield _old_transaction(
            server,
            f"the prepared transaction {name} in {database}",
            age,
            f"Run COMMIT PREPARED {name} or ROLLBACK PREPARED {name} in {database}.",
        )


def _old_transaction(server: str, who: str, age: int, advice: str) -> Blocker:
    return Blocker(
        "old_transaction",
        f"On the server {server!r}, {who} has written in a transaction that is {age} s old. The"
        " move could not begin before it ends.",
        advice,
    )


def check_retained_wal(raw: connection, server: str, seconds: float) -> Iterator[Blocker]:
    """Yield whether the source's server would remove WAL that a move of this length needs."""
    limit = max_retained_wal(raw)
    if limit is None:
        return
    needed = int(_wal_rate(raw) * seconds)
    if needed > limit:
        yield Blocker(
            "wal_limit",
            f"The server {server!r} retains at most {limit // MEGABYTE} MiB of WAL for a slot"
            f" (max_slot_wal_keep_size), and may write {needed // MEGABYTE} MiB during the copy.",
            "Raise max_slot_wal_keep_size and reload the configuration, or move at a quieter time.",
        )


def _wal_rate(raw: connection) -> float:
    """Return how many bytes of WAL the server writes in a second, since its statistics began."""
    [(rate,)] = execute(
        raw,
        "SELECT (wal_bytes / greatest(extract(epoch FROM now() - stats_reset), 1))::float"
        " FROM pg_stat_wal",
    )
    return float(rate)


def sees_all_transactions(raw: connection) -> bool:
    """Return whether the administrator sees the transactions of other roles."""
    [(sees,)] = execute(raw, "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')")
    return bool(sees)
