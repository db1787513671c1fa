"""Find out from which secret key the passwords of a server's roles derive.

PostgreSQL itself is asked, so no record can be wrong: a superuser reads the SCRAM verifiers, and
any other administrator logs in as the role.
"""

import secrets
from collections.abc import Mapping
from contextlib import closing
from enum import Enum

from psycopg2 import errors
from psycopg2.extensions import connection

from trially.database.connecting import (
    WRONG_PASSWORD,
    ConnectionRefusedByServerError,
    connect,
)
from trially.errors import OperatorError
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.scram import is_verifier_of

REFUSED_AFTER_LOGIN = frozenset({"42501", "3D000", "53300"})
"""SQLSTATEs of a server that has accepted the password: no CONNECT, no database, a limit."""


class UnverifiablePasswordsError(OperatorError):
    """The server accepts any password, so that none can be verified."""


class KeyOfRole(Enum):
    """The secret key that a role's password derives from, if it is none of this process's keys."""

    MISSING = "the role does not exist"
    UNKNOWN = "the password derives from no known key"


def find_keys(
    access: ServerAccess, raw: connection, databases: Mapping[str, str]
) -> dict[str, str | KeyOfRole]:
    """Return the fingerprint of the key that each role's password derives from.

    `databases` maps each role to a database to log in to. `raw` is a connection of the
    administrator. Raises `UnverifiablePasswordsError`.
    """
    roles = list(databases)
    try:
        rows = execute(
            raw, "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY(%s)", roles
        )
    except errors.InsufficientPrivilege:
        return _find_by_login(access, raw, databases)
    verifiers = dict(rows)
    return {
        role: _key_of_verifier(access, role, verifiers[role])
        if role in verifiers
        else KeyOfRole.MISSING
        for role in roles
    }


def _key_of_verifier(access: ServerAccess, role: str, verifier: str | None) -> str | KeyOfRole:
    for fingerprint, password in access.keys.role_passwords(access.name, role).items():
        if verifier is not None and is_verifier_of(verifier, password):
            return fingerprint
    return KeyOfRole.UNKNOWN


def _find_by_login(
    access: ServerAccess, raw: connection, databases: Mapping[str, str]
) -> dict[str, str | KeyOfRole]:
    rows = execute(raw, "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", list(databases))
    existing = {role for (role,) in rows}
    for role in sorted(existing)[:1]:
        if _accepts(access, role, databases[role], secrets.token_urlsafe(32)):
            raise UnverifiablePasswordsError(
                f"The server {access.name!r} accepts any password of {role}. Remove `trust` from"
                " its pg_hba.conf, and reload its configuration."
            )
    return {
        role: _key_of_login(access, role, database) if role in existing else KeyOfRole.MISSING
        for role, database in databases.items()
    }


def _key_of_login(access: ServerAccess, role: str, database: str) -> str | KeyOfRole:
    for fingerprint, password in access.keys.role_passwords(access.name, role).items():
        if _accepts(access, role, database, password):
            return fingerprint
    return KeyOfRole.UNKNOWN


def _accepts(access: ServerAccess, role: str, database: str, password: str) -> bool:
    """Return whether the server accepts a role's password, even if it then refuses the role."""
    url = access.admin_url.set(username=role, password=password, database=database)
    try:
        with closing(connect(url, application_name="trially-keys")):
            return True
    except ConnectionRefusedByServerError as error:
        if error.pgcode == WRONG_PASSWORD:
            return False
        if error.pgcode in REFUSED_AFTER_LOGIN and not error.is_of_whole_server:
            return True
        raise
