"""Checks of what a server holds outside its catalogs: slots, transactions, and its settings."""

from collections.abc import Iterator

from trially.doctor.examined_server import ExaminedServer
from trially.doctor.findings import Check, Problem, error, warning
from trially.tenancy.servers.registering import get_server

SAFE_SETTINGS = {
    "session_preload_libraries": "",
    "local_preload_libraries": "",
    "shared_preload_libraries": "",
    "lo_compat_privileges": "off",
    "allow_system_table_mods": "off",
    "ignore_system_indexes": "off",
    "session_replication_role": "origin",
    "row_security": "on",
    "zero_damaged_pages": "off",
    "createrole_self_grant": "",
}
"""Settings that weaken walls between tenants or data, with the values that do not."""

HARMLESS_LIBRARIES = frozenset({"pg_stat_statements", "auto_explain", "pg_prewarm"})
"""Libraries that a server may load at its start. They come with PostgreSQL."""


def settings_do_not_weaken_isolation(server: ExaminedServer) -> Iterator[Problem]:
    """Look for settings of the whole server that load code or switch protections off."""
    for name, safe in SAFE_SETTINGS.items():
        value = server.settings.get(name, safe)
        if name == "shared_preload_libraries":
            libraries = {library.strip() for library in value.split(",")}
            value = ", ".join(sorted(libraries - HARMLESS_LIBRARIES - {""}))
        if value != safe:
            remedy = f"ALTER SYSTEM RESET {name}; then reload or restart the server."
            what = f"{name} is {value}, not {safe or 'empty'}"
            report = warning if name.endswith("_libraries") else error
            yield report(what, remedy)
    [(tenant_id,)] = server.rows("SELECT current_setting('trially.tenant_id', true)")
    if tenant_id:
        what = f"trially.tenant_id is {tenant_id} in every session"
        yield error(what, "Remove trially.tenant_id from postgresql.conf, and reload the server.")


def no_replication_slot_is_unexpected(server: ExaminedServer) -> Iterator[Problem]:
    """Look for replication slots, which send rows to other servers and keep WAL."""
    rows = server.rows(
        "SELECT slot_name, slot_type, database, active FROM pg_replication_slots ORDER BY 1"
    )
    databases = {each.name for each in server.tenant_databases} | set(server.own_names)
    is_backed_up = get_server(server.name).backup is not None
    for name, kind, database, is_active in rows:
        remedy = f"SELECT pg_drop_replication_slot('{name}');"
        if kind == "physical" and is_backed_up:
            if not is_active:
                what = f"the replication slot {name} keeps WAL, and no backup tool receives it"
                yield error(
                    what, f"Start the tool (`barman cron`). If it has no more use: {remedy}"
                )
        elif kind == "physical":
            what = f"the physical replication slot {name} exists, for a copy of the whole server"
            yield warning(what, remedy)
        elif database in databases:
            yield error(f"the logical replication slot {name} reads database {database}", remedy)


def no_prepared_transaction_is_left(server: ExaminedServer) -> Iterator[Problem]:
    """Look for prepared transactions, which hold their locks until they are ended."""
    databases = [*(each.name for each in server.tenant_databases), *server.own_names]
    rows = server.rows(
        "SELECT gid, database FROM pg_prepared_xacts WHERE database = ANY(%s) ORDER BY 1", databases
    )
    for name, database in rows:
        what = f"the prepared transaction {name} is open in database {database}"
        yield error(what, f"ROLLBACK PREPARED '{name}'; in that database.")


def every_catalog_can_be_read(server: ExaminedServer) -> Iterator[Problem]:
    """Name the columns that the administrator may not read, and which are not compared."""
    for catalog, columns in sorted(server.references.reader.unreadable.items()):
        if catalog == "pg_authid":
            continue  # `pg_roles` is read instead. Logging in verifies the passwords.
        what = f"the administrator may not read {catalog} ({', '.join(columns)})"
        yield warning(what, "Run `flask doctor` as a superuser, or check that catalog yourself.")


SERVER_STATE_CHECKS: tuple[Check[ExaminedServer], ...] = (
    settings_do_not_weaken_isolation,
    no_replication_slot_is_unexpected,
    no_prepared_transaction_is_left,
    every_catalog_can_be_read,
)
