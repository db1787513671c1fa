"""Log in to a tenant's database with a role that is not the tenant's."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import psycopg2
from sqlalchemy import URL

from trially.config import current_settings
from trially.database.engines import connect
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
"""Which wall stands behind what a server says to whoever it does not let in."""

DIRECT, POOLED, REPLICA = "login", "login through the pooler", "login at a replica"


def log_in_as_tenants(target: Target, attackers: Sequence[Party]) -> Iterator[Attempt]:
    """Try the login roles of other tenants, each once: a pooler does not ask again at once."""
    tried: dict[str, str] = {}
    for attacker in attackers:
        role, password = attacker.login_role, str(attacker.placement.url.password)
        for path, url in _doors(target, role, password):
            if target.shares_database_with(attacker):
                reason = "the login role is the database's; what stands behind it is tried"
                yield target.not_applicable(path, attacker, reason)
            elif role in tried:
                reason = f"the login role is that of {tried[role]}, too"
                yield target.not_applicable(path, attacker, reason)
            else:
                yield _knock(target, attacker, path, url)
        tried.setdefault(role, attacker.slug)


def log_in_as_reader(target: Target) -> Iterator[Attempt]:
    """Try the role with which requests read the catalog."""
    role = reader_role(current_settings())
    password = server_access(target.record.server.name).role_password(role)
    for path, url in _doors(target, role, password):
        yield _knock(target, None, f"{path} of the catalog's reader", url)


def _doors(target: Target, role: str, password: str) -> Iterator[tuple[str, URL]]:
    access, database = server_access(target.record.server.name), target.record.database
    yield DIRECT, access.admin_url.set(username=role, password=password, database=database)
    if access.pooler_url is not None:
        yield POOLED, access.pooler_url.set(username=role, password=password, database=database)
    for replica in access.replica_urls:
        yield REPLICA, replica.set(username=role, password=password, database=database)


def _knock(target: Target, attacker: Party | None, path: str, url: URL) -> Attempt:
    try:
        # A pooler may open its door before the server has been asked.
        with closing(connect(url, application_name="trially-proof")) as raw:
            execute(raw, "SELECT 1")
    except psycopg2.Error as error:
        for words, wall in REFUSALS.items():
            if words in str(error):
                return target.held(path, attacker, wall)
        return target.unproved(path, attacker, f"not answered ({type(error).__name__})")
    remedy = (
        f"Revoke CONNECT on database {target.record.database} from PUBLIC and from"
        f" {url.username}, and see what `flask doctor` says of roles and pg_hba.conf."
    )
    return target.reached(path, attacker, f"{url.username} was let in", remedy)
