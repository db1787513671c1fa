"""Search the databases of every server for rows, objects and descriptions of a tenant."""

from collections.abc import Iterator, Sequence

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import select

from trially.config import current_settings
from trially.tenancy.catalog import Server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.erasing.erased_tenant import ErasedTenant, Place
from trially.tenancy.erasing.stores import Found
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import owner_role
from trially.tenancy.tiers import TIERS

TABLES_AT_ONCE = 500

_DATABASES = """
SELECT datname::text FROM pg_database
WHERE datdba = (SELECT oid FROM pg_roles WHERE rolname = %s) AND datallowconn AND datname <> %s
ORDER BY 1
"""
_TABLES = """
SELECT nspname::text, relname::text FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'tenant_id' AND NOT attisdropped
WHERE relkind IN ('r', 'p') AND NOT relispartition AND atttypid = 'uuid'::regtype
    AND nspname !~ '^pg_' ORDER BY 1, 2
"""
_NAMES_ON_SERVER = """
SELECT 'database', datname::text FROM pg_database WHERE datname = ANY(%(own_databases)s)
UNION ALL SELECT 'role', rolname::text FROM pg_roles WHERE rolname = ANY(%(own_roles)s)
UNION ALL SELECT 'replication slot', slot_name::text FROM pg_replication_slots
    WHERE slot_name = ANY(%(moves)s)
UNION ALL SELECT 'description', description FROM pg_shdescription
    WHERE description ~ ANY(%(texts)s)
"""
_NAMES_IN_DATABASE = """
SELECT 'schema', nspname::text FROM pg_namespace WHERE nspname = ANY(%(own_schemas)s)
UNION ALL SELECT 'publication', pubname::text FROM pg_publication WHERE pubname = ANY(%(moves)s)
UNION ALL SELECT 'description', description FROM pg_description
    WHERE description ~ ANY(%(texts)s)
"""


def count_at_placement(place: Place, tenant: ErasedTenant) -> int:
    """Return how many rows of a tenant the database of a placement holds; 0 if it is gone."""
    try:
        with server_access(place.server).administer(place.database) as raw:
            return count_rows(raw, tenant)
    except psycopg2.OperationalError:
        if place.database in databases_of(place.server):
            raise
        return 0


def search_servers(tenant: ErasedTenant) -> Iterator[Found]:
    """Search every database of every server, and the names of its objects."""
    with catalog_transaction() as session:
        servers = session.scalars(select(Server.name).order_by(Server.name)).all()
    for server in servers:
        yield from _search_server(server, tenant)


def count_rows(raw: connection, tenant: ErasedTenant) -> int:
    """Return how many rows with the tenant's id the tables of a database have, in all schemas.

    The session acts as the owner of the tables and in the tenant's context, so that row-level
    security shows the rows. It belongs to the caller, and is closed by it.
    """
    execute(
        raw,
        "SELECT set_config('role', %s, false), set_config('trially.tenant_id', %s, false)",
        owner_role(current_settings()),
        str(tenant.id),
    )
    tables = execute(raw, _TABLES)
    counts = [
        sql.SQL("SELECT count(*) FROM {} WHERE tenant_id = {}").format(
            sql.Identifier(*each), sql.Literal(str(tenant.id))
        )
        for each in tables
    ]
    total = 0
    for start in range(0, len(counts), TABLES_AT_ONCE):
        part = sql.SQL(" UNION ALL ").join(counts[start : start + TABLES_AT_ONCE])
        total += sum(number for (number,) in execute(raw, part))
    return total


def databases_of(server: str) -> Sequence[str]:
    """Return the databases of tenants, and the templates, on a server.

    The catalog is not among them: `catalog_stores` looks into it.
    """
    settings = current_settings()
    owner, catalog = owner_role(settings), settings.catalog_database
    with server_access(server).administer() as raw:
        return [name for (name,) in execute(raw, _DATABASES, owner, catalog)]


def _search_server(server: str, tenant: ErasedTenant) -> Iterator[Found]:
    names = _searched_names(tenant)
    with server_access(server).administer() as raw:
        objects = _ask(raw, _NAMES_ON_SERVER, names)
    databases = databases_of(server)
    rows = searched = 0
    for database in databases:
        try:
            with server_access(server).administer(database) as raw:
                objects += _ask(raw, _NAMES_IN_DATABASE, names)
                rows += count_rows(raw, tenant)
        except psycopg2.OperationalError:
            if database in databases_of(server):
                raise
            continue  # dropped meanwhile
        searched += 1
    yield Found(
        f"all databases of the server {server}", "rows", rows, details={"databases": searched}
    )
    yield Found(
        f"names and descriptions on the server {server}",
        "objects",
        len(objects),
        details={"looked_at": _LOOKED_AT},
    )


_LOOKED_AT = [
    *("databases", "roles", "schemas", "replication slots", "publications"),
    "descriptions of shared objects and of objects in each database",
]


def _searched_names(tenant: ErasedTenant) -> dict[str, list[str]]:
    """Return the names that only this tenant's objects can have, and the texts that name it."""
    tiers = [(each, TIERS[Tier(each.tier)]) for each in tenant.places]
    databases = [each.database for each, tier in tiers if not tier.shares_database]
    schemas = [each.schema for each, tier in tiers if tier.switches_roles]
    words = (str(tenant.id), *tenant.slugs)
    return {
        "own_databases": databases,
        "own_schemas": schemas,
        "own_roles": [*databases, *schemas],
        "moves": [f"trially_move_{each}" for each in tenant.operations],
        "texts": [f"(^|[^a-z0-9-]){each}($|[^a-z0-9-])" for each in words],
    }


def _ask(raw: connection, statement: str, names: dict[str, list[str]]) -> list[tuple[str, str]]:
    with raw.cursor() as cursor:
        cursor.execute(statement, names)
        return cursor.fetchall()
