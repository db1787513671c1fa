"""Checks of a server: its version, settings, passwords and connections."""

import math
from collections.abc import Iterator, Mapping

import psycopg2

from trially.config import LOOPBACK_HOSTS
from trially.database.connection_shares import MOST_NEW_CONNECTIONS, connections_of_process
from trially.doctor.examined_server import ExaminedServer
from trially.doctor.findings import Check, Problem, error, production_error, warning
from trially.tenancy.tiers import TIERS

FIRST_WITHOUT_LEAKS = {15: 20, 16: 16, 17: 12, 18: 7}
"""The first minor release of each major version that fixes CVE-2026-120154 and CVE-2026-116311.

15.20 was tested to be fixed, and 18.6 and older not to be. The other releases came out with 15.20.
"""

MANY_DATABASES = 200
"""With this number of databases or more, crash recovery takes minutes without syncfs."""

SPARE_CONNECTIONS = 10
"""Connections for commands, the catalog's reader and the administrator."""

TRANSACTIONS_TO_JUDGE = 1_000_000
"""With fewer transactions, the share of those that began with a new connection says little."""

COUNTED_SESSIONS = """
SELECT coalesce(sum(xact_commit + xact_rollback), 0)::bigint, coalesce(sum(sessions), 0)::bigint
FROM pg_stat_database WHERE datname = ANY (%s)"""
"""Transactions and connections of some databases, since PostgreSQL's statistics were reset."""


INSECURE_METHODS = ("trust", "password", "md5")
"""Authentication methods of pg_hba.conf that accept no password, or reveal it."""


def the_version_does_not_leak_rows(server: ExaminedServer) -> Iterator[Problem]:
    """Check that the server has the fixes for the known leaks through row-level security."""
    major, minor = server.version
    oldest, first_fixed = min(FIRST_WITHOUT_LEAKS), FIRST_WITHOUT_LEAKS.get(major)
    depends_on_it = any(database.tier.has_row_security for database in server.tenant_databases)
    if major < oldest:
        what = f"PostgreSQL {major} no longer receives fixes"
        yield error(what, f"Upgrade to PostgreSQL {oldest} or later.")
    elif first_fixed is None:
        what = f"PostgreSQL {major} is unknown to this check"
        yield warning(what, "Read its release notes for CVE-2026-120154.")
    elif minor < first_fixed:
        what = f"PostgreSQL {major}.{minor} can leak rows past row-level security (CVE-2026-120154)"
        tiers = ", ".join(tier.tier for tier in TIERS.values() if tier.has_row_security)
        remedy = f"Update to {major}.{first_fixed}. Until then store no patients in {tiers}."
        yield production_error(what, remedy) if depends_on_it else warning(what, remedy)


def the_log_contains_no_patient_data(server: ExaminedServer) -> Iterator[Problem]:
    """Check that the server writes no statement, row or parameter to its log."""
    yield from _verbose_settings(server.settings, "")
    for scope, settings in server.overrides.items():
        yield from _verbose_settings({**QUIET_SETTINGS, **settings}, f" for {scope}")


QUIET_SETTINGS = {
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "auto_explain.log_min_duration": "-1",
}
"""The values that keep patient data out of the server's log."""

VERBOSE_LEVELS = frozenset({"debug1", "debug2", "debug3", "debug4", "debug5"})


def _verbose_settings(settings: Mapping[str, str], scope: str) -> Iterator[Problem]:
    for name, quiet in QUIET_SETTINGS.items():
        value = settings.get(name, quiet)
        if value != quiet:
            what = f"{name} is {value}{scope}, which can write patient data to the log"
            yield production_error(what, f"Set {name} = {quiet}.")
    if settings.get("log_min_messages") in VERBOSE_LEVELS:
        what = f"log_min_messages is {settings['log_min_messages']}{scope}"
        yield production_error(what, "Set log_min_messages = warning.")


def passwords_are_stored_as_scram(server: ExaminedServer) -> Iterator[Problem]:
    """Check that no password is stored as an MD5 hash."""
    if server.settings["password_encryption"] != "scram-sha-256":  # noqa: S105
        what = f"password_encryption is {server.settings['password_encryption']}"
        yield error(what, "Set password_encryption = 'scram-sha-256'.")
    try:
        rows = server.rows(
            "SELECT rolname FROM pg_authid WHERE rolcanlogin"
            " AND rolpassword NOT LIKE 'SCRAM-SHA-256$%' ORDER BY rolname"
        )
    except psycopg2.errors.InsufficientPrivilege:
        return
    for (role,) in rows:
        yield error(
            f"the password of {role} is not stored as SCRAM", "Set the same password again."
        )


def pg_hba_allows_no_insecure_method(server: ExaminedServer) -> Iterator[Problem]:
    """Check pg_hba.conf. A line with `trust` would let every client log in as any role."""
    try:
        rows = server.rows(
            "SELECT line_number, type, auth_method FROM pg_hba_file_rules WHERE error IS NULL"
        )
    except psycopg2.errors.InsufficientPrivilege:
        remedy = f"Check yourself that no line allows {', '.join(INSECURE_METHODS)}."
        yield warning("the administrator may not read pg_hba.conf", remedy)
        return
    for line, kind, method in rows:
        if method in INSECURE_METHODS:
            what = f"pg_hba.conf line {line} allows {method} for {kind} connections"
            yield production_error(what, "Use scram-sha-256, and reload the configuration.")


def remote_connections_are_encrypted(server: ExaminedServer) -> Iterator[Problem]:
    """Check that connections to another machine use TLS and verify its certificate and name."""
    host = server.raw.info.host or "/"
    if host.startswith("/") or host in LOOPBACK_HOSTS:
        return
    [(is_encrypted,)] = server.rows("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    mode = server.raw.info.dsn_parameters.get("sslmode", "")
    if not is_encrypted:
        yield error("connections are not encrypted", "Set ssl = on and sslmode=verify-full.")
    elif mode != "verify-full":
        yield production_error(f"sslmode is {mode}", "Set sslmode=verify-full in the server's URL.")


def crash_recovery_is_fast(server: ExaminedServer) -> Iterator[Problem]:
    """Check that crash recovery of many databases does not open every file."""
    databases = len(server.tenant_databases)
    method = server.settings["recovery_init_sync_method"]
    if databases >= MANY_DATABASES and method != "syncfs":
        what = f"recovery_init_sync_method is {method} with {databases} databases"
        yield warning(what, "Set recovery_init_sync_method = syncfs.")


def tenants_can_move_online(server: ExaminedServer) -> Iterator[Problem]:
    """Check that logical decoding is enabled, which moving a tenant online needs."""
    if server.settings["wal_level"] != "logical":
        what = f"wal_level is {server.settings['wal_level']}"
        yield warning(what, "Set wal_level = logical, and restart the server.")


def max_connections_is_sufficient(server: ExaminedServer) -> Iterator[Problem]:
    """Compare the connections that all processes may open with those that the server accepts."""
    settings = server.fleet.settings
    most, *reserved = (
        int(server.settings.get(name, "0"))  # PostgreSQL 15 has no reserved_connections.
        for name in ("max_connections", "superuser_reserved_connections", "reserved_connections")
    )
    available = most - sum(reserved)
    of_process = connections_of_process(available)
    needed = settings.processes * of_process + SPARE_CONNECTIONS
    if needed > available:
        what = (
            f"{settings.processes} processes may open {needed} connections,"
            f" but only {available} are accepted"
        )
        remedy = (
            "Raise max_connections, lower TRIALLY_CONNECTIONS_PER_SERVER or TRIALLY_THREADS, or use"
            " a pooler."
        )
        yield warning(what, remedy)


def connection_limits_fit_the_threads(server: ExaminedServer) -> Iterator[Problem]:
    """Compare the connections that one login role may need with its CONNECTION LIMIT."""
    settings = server.fleet.settings
    of_tenant = settings.processes * math.ceil(settings.threads * settings.tenant_thread_share)
    of_database = settings.processes * settings.threads
    tiers = {database.tier.shares_database for database in server.tenant_databases}
    for name, needed, limit, is_used in (
        ("CONNECTIONS_PER_TENANT", of_tenant, settings.connections_per_tenant, False in tiers),
        (
            "CONNECTIONS_PER_SHARED_DATABASE",
            of_database,
            settings.connections_per_shared_database,
            True in tiers,
        ),
    ):
        if is_used and needed > limit:
            what = (
                f"{settings.processes} processes may need {needed} connections of one role,"
                f" the limit is {limit} (TRIALLY_{name})"
            )
            yield warning(
                what,
                f"Raise TRIALLY_{name}, and ALTER ROLE … CONNECTION LIMIT of existing roles, or run"
                " fewer processes or threads. Until then, requests wait for connections.",
            )


def requests_find_open_connections(server: ExaminedServer) -> Iterator[Problem]:
    """Check that few transactions of tenants begin with a new connection.

    Each connection is counted by PostgreSQL as a session, since its statistics were reset.
    """
    databases = [database.name for database in server.tenant_databases]
    [(transactions, sessions)] = server.rows(COUNTED_SESSIONS, databases)
    if transactions >= TRANSACTIONS_TO_JUDGE and sessions > MOST_NEW_CONNECTIONS * transactions:
        what = (
            f"{sessions / transactions:.0%} of {transactions:,} transactions began with a new"
            " connection"
        )
        remedy = (
            "Raise max_connections, or TRIALLY_CONNECTIONS_PER_SERVER if it is set, or move tenants"
            " that are rarely used to a shared database (flask tenants advise)."
        )
        yield warning(what, remedy)


SERVER_CHECKS: tuple[Check[ExaminedServer], ...] = (
    the_version_does_not_leak_rows,
    the_log_contains_no_patient_data,
    passwords_are_stored_as_scram,
    pg_hba_allows_no_insecure_method,
    remote_connections_are_encrypted,
    crash_recovery_is_fast,
    tenants_can_move_online,
    max_connections_is_sufficient,
    connection_limits_fit_the_threads,
    requests_find_open_connections,
)
