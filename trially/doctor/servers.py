"""What a server must be, and be set to."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg2
from psycopg2.extensions import connection

from trially.config import LOOPBACK_HOSTS
from trially.doctor.findings import Check, Problem, error, production_error, warning
from trially.doctor.fleet import Fleet, TenantDatabase
from trially.tenancy.catalog import Tier
from trially.tenancy.servers.connections import execute

FIRST_WITHOUT_LEAKS = {15: 20, 16: 16, 17: 12, 18: 7}
"""The minor release of each branch that mends CVE-2026-120154 and CVE-2026-116311.

15.20 was seen to; the others are those that came out with it, and 18.6 and older were seen not to.
"""

MANY_DATABASES = 200
"""From so many on, a start after a crash takes minutes without syncfs."""

WORKERS = 2
"""As many as `deploy/gunicorn.conf.py` starts if nothing else is said."""

SPARE_CONNECTIONS = 10
"""For commands, the catalog's reader and the administrator."""


@dataclass(frozen=True)
class ExaminedServer:
    """A server, and a connection of its administrator."""

    name: str
    raw: connection
    fleet: Fleet

    @property
    def places(self) -> list[TenantDatabase]:
        """The databases of tenants that the catalog has on it."""
        return list(self.fleet.places_by_server[self.name])

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """What the server is set to."""
        return dict(execute(self.raw, "SELECT name, setting FROM pg_settings"))

    @cached_property
    def overrides(self) -> Mapping[str, Mapping[str, str]]:
        """What it is set to for some databases or roles, by what is said of whom."""
        rows = execute(
            self.raw,
            "SELECT concat_ws(' in ', 'role ' || rolname, 'database ' || datname),"
            " unnest(setconfig) FROM pg_db_role_setting"
            " LEFT JOIN pg_roles ON pg_roles.oid = setrole"
            " LEFT JOIN pg_database ON pg_database.oid = setdatabase",
        )
        scopes: dict[str, dict[str, str]] = {}
        for scope, setting in rows:
            name, _, value = setting.partition("=")
            scopes.setdefault(scope, {})[name] = value
        return scopes

    @property
    def version(self) -> tuple[int, int]:
        """Its major and minor version."""
        return divmod(int(self.settings["server_version_num"]), 10_000)

    def rows(self, statement: str, *parameters: Any) -> list[Any]:
        """Ask the server."""
        return execute(self.raw, statement, *parameters)


def the_version_does_not_leak_rows(server: ExaminedServer) -> Iterator[Problem]:
    """Know the releases whose row security can be read through."""
    major, minor = server.version
    first = FIRST_WITHOUT_LEAKS.get(major)
    has_pools = any(place.tier is Tier.POOLED_ROWS for place in server.places)
    if major < min(FIRST_WITHOUT_LEAKS):
        yield error(f"PostgreSQL {major} gets no more fixes", "Move to a version from 15 on.")
    elif first is None:
        yield warning(f"PostgreSQL {major} is not known here", "See its notes for CVE-2026-120154.")
    elif minor < first:
        what = f"PostgreSQL {major}.{minor} can leak rows through row security (CVE-2026-120154)"
        remedy = f"Update to {major}.{first}; until then hold no patients in pooled_rows."
        yield production_error(what, remedy) if has_pools else warning(what, remedy)


def the_log_tells_no_patients(server: ExaminedServer) -> Iterator[Problem]:
    """See that no statement, row or parameter is written to the server's log."""
    yield from _talkative(server.settings, "")
    for scope, settings in server.overrides.items():
        yield from _talkative({**QUIET, **settings}, f" for {scope}")


QUIET = {
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
"""What keeps patients out of the server's log."""

TALKATIVE_MESSAGES = frozenset({"debug1", "debug2", "debug3", "debug4", "debug5"})


def _talkative(settings: Mapping[str, str], scope: str) -> Iterator[Problem]:
    for name, quiet in QUIET.items():
        value = settings.get(name, quiet)
        if value != quiet:
            what = f"{name} is {value}{scope}, which may write patients to the log"
            yield production_error(what, f"Set {name} = {quiet}.")
    if settings.get("log_min_messages") in TALKATIVE_MESSAGES:
        what = f"log_min_messages is {settings['log_min_messages']}{scope}"
        yield production_error(what, "Set log_min_messages = warning.")


def passwords_are_kept_as_scram(server: ExaminedServer) -> Iterator[Problem]:
    """See that no password is kept as MD5."""
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
        yield error(f"the password of {role} is not SCRAM", f"Give {role} its password again.")


def nobody_is_let_in_without_scram(server: ExaminedServer) -> Iterator[Problem]:
    """Read pg_hba.conf: a line that trusts makes every login role everyone's."""
    try:
        rows = server.rows(
            "SELECT line_number, type, auth_method FROM pg_hba_file_rules WHERE error IS NULL"
        )
    except psycopg2.errors.InsufficientPrivilege:
        yield warning("pg_hba.conf may not be read", "See yourself that it trusts nobody.")
        return
    for line, kind, method in rows:
        if method in ("trust", "password", "md5"):
            what = f"line {line} of pg_hba.conf lets {kind} connections in by {method}"
            yield production_error(what, "Say scram-sha-256 there, and reload.")


def the_way_to_it_is_encrypted(server: ExaminedServer) -> Iterator[Problem]:
    """See that what is said to another machine is encrypted, and to the right one."""
    host = server.raw.info.host or "/"
    if host.startswith("/") or host in LOOPBACK_HOSTS:
        return
    [(is_encrypted,)] = server.rows("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    mode = server.raw.info.dsn_parameters.get("sslmode", "")
    if not is_encrypted:
        yield error("connections are not encrypted", "Set ssl = on, and sslmode=verify-full.")
    elif mode != "verify-full":
        yield production_error(f"sslmode is {mode}", "Say sslmode=verify-full in the server's URL.")


def a_crash_is_soon_over(server: ExaminedServer) -> Iterator[Problem]:
    """See that a start after a crash does not open the files of every database."""
    databases = len(server.places)
    method = server.settings["recovery_init_sync_method"]
    if databases >= MANY_DATABASES and method != "syncfs":
        what = f"recovery_init_sync_method is {method} with {databases} databases"
        yield warning(what, "Set recovery_init_sync_method = syncfs.")


def tenants_can_move_online(server: ExaminedServer) -> Iterator[Problem]:
    """See that there is logical decoding."""
    if server.settings["wal_level"] != "logical":
        what = f"wal_level is {server.settings['wal_level']}"
        yield warning(what, "Set wal_level = logical, and restart the server.")


def there_are_connections_enough(server: ExaminedServer) -> Iterator[Problem]:
    """Compare what all workers may open with what the server takes."""
    workers = int(os.environ.get("WEB_CONCURRENCY", WORKERS))
    wanted = workers * server.fleet.settings.connections_per_server + SPARE_CONNECTIONS
    reserved = int(server.settings["superuser_reserved_connections"])
    most = int(server.settings["max_connections"]) - reserved
    if wanted > most:
        what = f"{workers} workers may open {wanted} connections, and {most} are taken"
        remedy = "Raise max_connections, lower TRIALLY_CONNECTIONS_PER_SERVER, or use a pooler."
        yield warning(what, remedy)


SERVER_CHECKS: tuple[Check[ExaminedServer], ...] = (
    the_version_does_not_leak_rows,
    the_log_tells_no_patients,
    passwords_are_kept_as_scram,
    nobody_is_let_in_without_scram,
    the_way_to_it_is_encrypted,
    a_crash_is_soon_over,
    tenants_can_move_online,
    there_are_connections_enough,
)
