"""Log in to a tenant's database with a role of another tenant, and with the catalog's reader."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import psycopg2
from sqlalchemy import URL

from trially.config import current_settings
from trially.database.connecting import connect
from trially.proving.attempts import Attempt, Party, Target
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import reader_role

REFUSALS = {
    "permission denied for database": "CONNECT",
    "password authentication failed": "password",
    "no such user": "password",
    "no pg_hba.conf entry": "pg_hba.conf",
    "SASL authentication failed": "password",
    "not currently accepting connections": "ALLOW_CONNECTIONS",
}
"""The wall that held, by the words of the server's refusal."""

DIRECT, POOLED, REPLICA = "login", "login through the pooler", "login at a replica"


def log_in_as_tenants(target: Target, attackers: Sequence[Party]) -> Iterator[Attempt]:
    """Log in with each attacker's role, once per role.

    A pooler that was refused by the server refuses the same role at once, without asking again.
    """
    tried: dict[str, str] = {}
    for attacker in attackers:
        role, password = attacker.login_role, str(attacker.placement.url.password)
        for path, url in _urls(target, role, password):
            if target.shares_database_with(attacker):
                reason = "both tenants have this login role; the walls behind it are tested"
                yield target.not_applicable(path, attacker, reason)
            elif role in tried:
                reason = f"tested already: {tried[role]} has the same login role"
                yield target.not_applicable(path, attacker, reason)
            else:
                yield _log_in(target, attacker, path, url)
        tried.setdefault(role, attacker.slug)


def log_in_as_reader(target: Target) -> Iterator[Attempt]:
    """Log in with the role with which requests read the catalog."""
    role = reader_role(current_settings())
    password = server_access(target.record.server.name).role_password(role)
    for path, url in _urls(target, role, password):
        yield _log_in(target, None, f"{path} as the catalog's reader", url)


def _urls(target: Target, role: str, password: str) -> Iterator[tuple[str, URL]]:
    """Yield every URL at which the target's database can be reached, with its path's name."""
    access, database = server_access(target.record.server.name), target.record.database
    yield DIRECT, access.admin_url.set(username=role, password=password, database=database)
    if access.pooler_url is not None:
        yield POOLED, access.pooler_url.set(username=role, password=password, database=database)
    for replica in access.replica_urls:
        yield REPLICA, replica.set(username=role, password=password, database=database)


def _log_in(target: Target, attacker: Party | None, path: str, url: URL) -> Attempt:
    try:
        # A pooler may accept a client before it connects to the server, so send a query too.
        with closing(connect(url, application_name="trially-proof")) as raw:
            execute(raw, "SELECT 1")
    except psycopg2.Error as error:
        for words, wall in REFUSALS.items():
            if words in str(error):
                return target.held(path, attacker, wall)
        return target.inconclusive(path, attacker, f"the login failed ({type(error).__name__})")
    remedy = (
        f"Revoke CONNECT on database {target.record.database} from PUBLIC and from"
        f" {url.username}. `flask doctor` checks roles and pg_hba.conf."
    )
    return target.breached(path, attacker, f"{url.username} could log in", remedy)
