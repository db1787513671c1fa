"""Databases that hold many tenants: chosen by free room, created when all others are full.

Each has one login role, which has the name of the database.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import bindparam, exists, func, select
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.database.placement import Placement
from trially.state import app_state
from trially.tenancy.advisory_locks import SHARED_DATABASE_LOCK, tenant_lock_key
from trially.tenancy.catalog import PlacementRecord, Server, SharedDatabase
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.names import opaque_name
from trially.tenancy.schema.databases import building_database, database_exists
from trially.tenancy.schema.guard import record_placement, unregister_tenant_sql
from trially.tenancy.schema.revisions import read_revision
from trially.tenancy.schema.templates import template_database
from trially.tenancy.servers.access import ServerAccess, access_to, server_access
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.tiers.owning import run_as_owner
from trially.tenancy.tiers.roles import create_login_role

_LOCK_SERVER = select(Server.id).where(Server.id == bindparam("server_id")).with_for_update()
_is_in_it = (PlacementRecord.server_id == SharedDatabase.server_id) & (
    PlacementRecord.database == SharedDatabase.name
)
_WITH_ROOM = (
    select(SharedDatabase.name)
    .where(
        SharedDatabase.server_id == bindparam("server_id"),
        SharedDatabase.tier == bindparam("tier"),
        select(func.count()).where(_is_in_it).scalar_subquery() < bindparam("max_tenants"),
        ~exists().where(_is_in_it, PlacementRecord.tenant_id == bindparam("tenant_id")),
    )
    .order_by(SharedDatabase.created_at)
    .limit(1)
)


def database_with_room(
    session: Session, server: Server, tier: Tier, tenant_id: UUID, *, max_tenants: int
) -> str | None:
    """Return the name of a database with room for this tenant, or None if one must be created.

    A database in which the tenant has a placement has no room: it has one guard for each tenant,
    and removing the former placement would remove the rows of the new one.
    """
    return session.scalar(
        _WITH_ROOM,
        {
            "server_id": server.id,
            "tier": tier,
            "tenant_id": tenant_id,
            "max_tenants": max_tenants,
        },
    )


def choose_database(
    session: Session, server: Server, tier: Tier, tenant_id: UUID, *, max_tenants: int
) -> str:
    """Return the name of a database with room for this tenant. It may not exist yet.

    The session locks the server's row, so that no other transaction takes the same room.
    """
    session.execute(_LOCK_SERVER, {"server_id": server.id})
    name = database_with_room(session, server, tier, tenant_id, max_tenants=max_tenants)
    if name is None:
        name = opaque_name("s")
        session.add(SharedDatabase(name=name, server_id=server.id, tier=tier))
        session.flush()
    return name


def existing_databases() -> set[str]:
    """Return the names of the shared databases that this process has found to exist."""
    return app_state().shared_databases


def ensure_database(
    access: ServerAccess,
    name: str,
    prepare: Callable[[connection], object],
    template: str | None = None,
) -> None:
    """Create a shared database from a template, by default the server's, unless it exists.

    `prepare` is called with a connection to a new database, as the owner of its tables.
    """
    if name in existing_databases():
        return
    with access.administer() as raw:
        exists = database_exists(raw, name)
    if not exists:
        _create_database(access, name, prepare, template)
    existing_databases().add(name)


def has_database(record: PlacementRecord) -> bool:
    """Return whether a placement's database exists.

    It does not if the operation was undone before it created the database.
    """
    with server_access(record.server.name).administer() as raw:
        return database_exists(raw, record.database)


def as_owner_of(record: PlacementRecord, *statements: sql.Composable) -> None:
    """Run a batch as the owner of a shared database's tables, in one transaction."""
    with _administering(record) as raw:
        run_as_owner(raw, record, *statements)


def grant_as_owner(record: PlacementRecord, *statements: sql.Composable) -> str | None:
    """Run a batch as `as_owner_of` does; return the revision of the placement's tables."""
    with _administering(record) as raw:
        run_as_owner(raw, record, *statements)
        return read_revision(raw, record.schema)


def write_state(record: PlacementRecord, *, is_suspended: bool) -> None:
    """Write the epoch and state into the shared database's own copy of the placement."""
    with _administering(record) as raw:
        record_placement(raw, record.tenant_id, record.epoch, is_suspended=is_suspended)


def evict_tenant_sql(record: PlacementRecord) -> sql.Composed:
    """Return SQL that waits for the tenant's open transactions, and makes the guard refuse more."""
    lock_sql = sql.SQL(f"SELECT pg_advisory_xact_lock({tenant_lock_key('{}')});")
    return lock_sql.format(sql.Literal(str(record.tenant_id))) + unregister_tenant_sql(
        record.tenant_id
    )


def shared_placement(record: PlacementRecord, *, role: str | None = None) -> Placement:
    """Return the placement as request handling needs it. A shared database has one engine."""
    access = access_to(record.server)
    return Placement(
        tenant_id=record.tenant_id,
        bind_key=f"{record.server.name}/{record.database}",
        schema=record.schema,
        epoch=record.epoch,
        url=access.role_url(record.database, record.database),
        other_password=access.other_password(record.database),
        role=role,
        replicas=access.replica_role_urls(record.database, record.database),
        revision=record.revision,
    )


def _administering(record: PlacementRecord) -> AbstractContextManager[connection]:
    """Connect to a placement's database as the administrator. The connection is kept open."""
    return server_access(record.server.name).administer(record.database, is_kept=True)


def _create_database(
    access: ServerAccess, name: str, prepare: Callable[[connection], object], template: str | None
) -> None:
    template = template or template_database(access)
    with access.locked(SHARED_DATABASE_LOCK) as raw:
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
