"""Verify the secret key before anything is changed, also where no fingerprint is recorded so far.

An installation of an earlier version has no fingerprint. What was made with its key shows which key
that is: passwords of roles, and the stored passwords of servers.
"""

from collections.abc import Iterator
from typing import Any

from psycopg2 import errors
from psycopg2.extensions import connection

from trially.config import current_settings
from trially.tenancy.catalog import CATALOG_SCHEMA, RecordedKey
from trially.tenancy.recorded_keys import WrongSecretKeyError, adopt_recorded, read_recorded
from trially.tenancy.schema.databases import database_exists
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import reader_role
from trially.tenancy.servers.role_keys import find_keys
from trially.tenancy.servers.sealing import find_sealing_key

_OLDEST_ROLES = (
    f"SELECT database FROM {CATALOG_SCHEMA}.placement"
    f" JOIN {CATALOG_SCHEMA}.server ON server.id = server_id WHERE server.name = %s"
    " GROUP BY database ORDER BY min(placement.created_at)"
)
"""Selects the login roles of the tenants' databases. Each has the name of its database."""

_SEALED_PASSWORDS = (
    f"SELECT server.name, sealed FROM {CATALOG_SCHEMA}.server_password"
    f" JOIN {CATALOG_SCHEMA}.server ON server.id = server_id"
)


def verify_secret_key(access: ServerAccess, raw: connection) -> None:
    """Raise `WrongSecretKeyError` if the installation on the first server has another key.

    Changes nothing. `raw` is a connection of the administrator to `access`, the first server.
    """
    catalog = current_settings().catalog_database
    if not database_exists(raw, catalog):
        _verify_evidence(access, raw, None)
        return
    with access.administer(catalog) as in_catalog:
        recorded = read_recorded(in_catalog)
        if recorded:
            adopt_recorded(access.keys, recorded)
        else:
            _verify_evidence(access, raw, in_catalog)


def record_secret_key(catalog: connection, access: ServerAccess) -> None:
    """Record the key in use, after it has been verified, unless a key is recorded."""
    if not read_recorded(catalog):
        execute(
            catalog,
            f"INSERT INTO {CATALOG_SCHEMA}.{RecordedKey.__tablename__} (fingerprint, is_current)"
            " VALUES (%s, true)",
            access.keys.fingerprint_in_use,
        )


def _verify_evidence(access: ServerAccess, raw: connection, catalog: connection | None) -> None:
    """Use the key that the first evidence was made with, or refuse every key of this process."""
    for what, key in _evidence(access, raw, catalog):
        if key is None:
            raise WrongSecretKeyError(
                f"TRIALLY_SECRET_KEY is not the secret key of this installation: {what} is of"
                " another key. Nothing was changed. Check that TRIALLY_DATABASE_URL and"
                " TRIALLY_SECRET_KEY belong together. Drop roles that an installation left behind"
                " that you removed."
            )
        access.keys.use(key)
        return


def _evidence(
    access: ServerAccess, raw: connection, catalog: connection | None
) -> Iterator[tuple[str, str | None]]:
    """Yield what shows the installation's key, and the fingerprint of our key that made it.

    The strongest comes first: the password of the oldest tenant's role. The reader's comes last,
    because versions without fingerprints reset it with whatever key they had.
    """
    reader, database = reader_role(current_settings()), current_settings().catalog_database
    if catalog is not None:
        roles = [role for (role,) in _rows(catalog, _OLDEST_ROLES, access.name)]
        existing = {
            role
            for (role,) in execute(
                raw, "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", roles
            )
        }
        for role in [role for role in roles if role in existing][:1]:
            yield _password_of(access, raw, role, role)
        for server, sealed in _rows(catalog, _SEALED_PASSWORDS):
            key = find_sealing_key(access.keys, server, bytes(sealed))
            yield f"the stored password of the server {server!r}", key
    if execute(raw, "SELECT 1 FROM pg_roles WHERE rolname = %s", reader):
        yield _password_of(access, raw, reader, database)


def _password_of(
    access: ServerAccess, raw: connection, role: str, database: str
) -> tuple[str, str | None]:
    key = find_keys(access, raw, {role: database})[role]
    return f"the password of the role {role}", key if isinstance(key, str) else None


def _rows(catalog: connection, statement: str, *parameters: str) -> list[Any]:
    try:
        return execute(catalog, statement, *parameters)
    except (errors.UndefinedTable, errors.UndefinedColumn):
        return []  # The creation of the catalog was interrupted.
