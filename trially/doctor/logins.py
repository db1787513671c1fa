"""Log in as the roles that requests use, on every way that requests take."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
from psycopg2.extensions import connection
from sqlalchemy import URL

from trially.database.connecting import TOO_MANY_CONNECTIONS, WRONG_PASSWORD, Login, connect
from trially.doctor.databases import ExaminedDatabase
from trially.doctor.findings import Check, Problem, error, warning
from trially.doctor.fleet import Fleet
from trially.tenancy.servers.access import ServerAccess, server_access
from trially.tenancy.servers.connections import execute

REMEDIES = {
    WRONG_PASSWORD: (
        "Run `flask keys status`: it shows from which secret key the password derives. If from"
        " neither, run `flask keys rotate`, which sets it again (docs/keys.md)."
    ),
    "28000": "Check that the role has LOGIN, and check pg_hba.conf and the pooler's users.",
    "3D000": "Check that the database exists and that the pooler knows it.",
    "42501": "GRANT CONNECT ON DATABASE {database} TO {role};",
    TOO_MANY_CONNECTIONS: "Raise the limit of connections, or run fewer workers.",
}
"""What to do, by the SQLSTATE of the refusal."""

OTHERWISE = "Check that the server and the pooler run, and that this host can reach them."


def the_login_role_can_log_in(database: ExaminedDatabase) -> Iterator[Problem]:
    """Log in to the database as requests do: directly or through the pooler, and on replicas."""
    expected = database.expected
    if database.expected.is_provisioned:
        access = database.references.access
        yield from log_in(access, expected.login_role, expected.name, expected.only_slug)


def the_catalogs_reader_can_log_in(fleet: Fleet) -> Iterator[Problem]:
    """Log in to the catalog as requests do."""
    yield from log_in(server_access(), fleet.reader, fleet.settings.catalog_database)


def log_in(
    access: ServerAccess, role: str, database: str, tenant: str | None = None
) -> Iterator[Problem]:
    """Log in with a role's derived password on every way, and yield each failure."""
    for way, url in _ways(access, role, database):
        try:
            # A pooler may accept a client before it connects to the server, so send a query too.
            with closing(_open(access, role, url)) as raw:
                execute(raw, "SELECT 1")
        except psycopg2.Error as failure:
            yield _problem(failure, f"{role} cannot log in to {database}{way}", url, tenant)


def _ways(access: ServerAccess, role: str, database: str) -> Iterator[tuple[str, URL]]:
    url = access.role_url(role, database)
    yield "", access.admin_url.set(username=role, password=url.password, database=database)
    if access.pooler_url is not None:
        yield " through the pooler", url
    for url in access.replica_role_urls(role, database):
        yield f" on the replica {url.host}:{url.port}", url


def _open(access: ServerAccess, role: str, url: URL) -> connection:
    """Log in with the password of either secret key, while the key is changed."""
    login = Login(url, access.other_password(role))
    return login.open(lambda each: connect(each, application_name="trially-doctor"))


def _problem(failure: psycopg2.Error, what: str, url: URL, tenant: str | None) -> Problem:
    state = failure.pgcode
    cause = f"SQLSTATE {state}" if state else type(failure).__name__
    remedy = REMEDIES.get(state or "", OTHERWISE).format(role=url.username, database=url.database)
    # A limit that is reached at this moment does not show that the role is wrong.
    report = warning if state == TOO_MANY_CONNECTIONS else error
    return report(f"{what}: {_reason(failure)} ({cause})", remedy, tenant)


_REASONS = {
    WRONG_PASSWORD: "wrong password",
    "28000": "logins of the role are refused",
    "3D000": "the database cannot be used",
    "42501": "no CONNECT on the database",
    TOO_MANY_CONNECTIONS: "a limit of connections is reached",
    "57P03": "the server is starting or stopping",
}


def _reason(failure: psycopg2.Error) -> str:
    return _REASONS.get(failure.pgcode or "", "no connection")


DATABASE_LOGIN_CHECKS: tuple[Check[ExaminedDatabase], ...] = (the_login_role_can_log_in,)
INSTALLATION_LOGIN_CHECKS: tuple[Check[Fleet], ...] = (the_catalogs_reader_can_log_in,)
