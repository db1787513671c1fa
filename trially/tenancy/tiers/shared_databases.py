"""Databases that hold many tenants: chosen by room, made when the last one is full.

One login role leads to each, and it is called as the database is.
"""

from collections.abc import Callable

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.database.placement import Placement
from trially.state import app_state
from trially.tenancy.catalog import PlacementRecord, Server, SharedDatabase, Tier
from trially.tenancy.names import opaque_name
from trially.tenancy.schema.databases import building_database, database_exists
from trially.tenancy.schema.guard import record_placement, unregister_tenant_sql
from trially.tenancy.schema.templates import template_database
from trially.tenancy.servers.access import FIRST_SERVER, ServerAccess, access_to, server_access
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.servers.preparing import owner_role
from trially.tenancy.tiers.roles import create_login_role

_BUILD_LOCK = 0x7472_6961_6C6C_7368
"""Advisory lock of the maintenance database: one process at a time makes shared databases."""


def choose_database(session: Session, server: Server, tier: Tier, most_tenants: int) -> str:
    """Return the name of a database with room for one tenant more; it may still have to be made.

    Until the session's transaction ends, nobody else chooses on this server.
    """
    session.execute(select(Server.id).where(Server.id == server.id).with_for_update())
    tenants = (
        select(func.count())
        .where(
            PlacementRecord.server_id == server.id, PlacementRecord.database == SharedDatabase.name
        )
        .scalar_subquery()
    )
    name = session.scalar(
        select(SharedDatabase.name)
        .where(
            SharedDatabase.server_id == server.id,
            SharedDatabase.tier == tier,
            tenants < most_tenants,
        )
        .order_by(SharedDatabase.created_at)
        .limit(1)
    )
    if name is None:
        name = opaque_name("s")
        session.add(SharedDatabase(name=name, server_id=server.id, tier=tier))
        session.flush()
    return name


def databases_seen() -> set[str]:
    """Return the names of shared databases that this process has seen to be there."""
    return app_state().shared_databases


def see_database(access: ServerAccess, name: str, prepare: Callable[[connection], object]) -> None:
    """See that a shared database is there; `prepare` gets a new one's connection, as its owner."""
    if name in databases_seen():
        return
    with access.administer() as raw:
        is_there = database_exists(raw, name)
    if not is_there:
        _make_database(access, name, prepare)
    databases_seen().add(name)


def is_made(record: PlacementRecord) -> bool:
    """Tell whether a placement's database is there: an operation may be taken back before."""
    with server_access(record.server.name).administer() as raw:
        return database_exists(raw, record.database)


def as_owner_of(record: PlacementRecord, *statements: sql.Composable) -> None:
    """Run a batch as the owner of a shared database's tables, in one transaction.

    The catalog's own last record of the operation flushes what came before it on the same server.
    """
    flushing = "off" if record.server.name == FIRST_SERVER else "on"
    owner = sql.Identifier(owner_role(current_settings()))
    with server_access(record.server.name).administer(record.database, is_kept=True) as raw:
        try:
            execute(
                raw,
                sql.SQL(
                    f"BEGIN; SET LOCAL synchronous_commit = {flushing}; SET LOCAL ROLE {{}};"
                ).format(owner)
                + sql.SQL("").join(statements)
                + sql.SQL("COMMIT"),
            )
        except BaseException:
            if not raw.closed:
                execute(raw, "ROLLBACK")
            raise


def write_state(record: PlacementRecord, *, is_suspended: bool) -> None:
    """Write the epoch and state into the database's own copy of the placement."""
    with server_access(record.server.name).administer(record.database, is_kept=True) as raw:
        record_placement(raw, record.tenant_id, record.epoch, is_suspended=is_suspended)


def evict_tenant_sql(record: PlacementRecord) -> sql.Composed:
    """Compose what makes a tenant's transactions end, and begin no more."""
    return sql.SQL("SELECT pg_advisory_xact_lock(uuid_hash_extended({}, 0));").format(
        sql.Literal(str(record.tenant_id))
    ) + unregister_tenant_sql(record.tenant_id)


def shared_placement(record: PlacementRecord, *, role: str | None = None) -> Placement:
    """Return what the run time needs: all tenants of a database have one engine."""
    access = access_to(record.server)
    return Placement(
        tenant_id=record.tenant_id,
        bind_key=f"{record.server.name}/{record.database}",
        schema=record.schema,
        epoch=record.epoch,
        url=access.role_url(record.database, record.database),
        role=role,
        replicas=access.replica_role_urls(record.database, record.database),
    )


def _make_database(
    access: ServerAccess, name: str, prepare: Callable[[connection], object]
) -> None:
    template = template_database(access)
    with access.locked(_BUILD_LOCK) as raw:
        if database_exists(raw, name):
            return
        create_login_role(
            access,
            name,
            schema="pg_catalog",
            connections=current_settings().connections_per_shared_database,
        )
        with building_database(access, raw, name, template) as owner:
            owned = driver_connection(owner)
            prepare(owned)
            owned.commit()
        execute(
            raw,
            sql.SQL("GRANT CONNECT ON DATABASE {name} TO {name}").format(name=sql.Identifier(name)),
        )
