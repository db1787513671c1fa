"""Which sides of a moved tenant are writable, and what its moves have left."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from faults.installation import Installation, Server
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.moving.guards import CLOSED, read_epoch
from trially.tenancy.lifecycle.moving.sides import side_of

OF_SERVER = (
    "SELECT 'role ' || rolname FROM pg_roles"
    " UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots"
    " UNION ALL SELECT 'subscription ' || subname FROM pg_subscription"
)
OF_DATABASE = (
    "SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_'"
    " UNION ALL SELECT 'publication ' || pubname FROM pg_publication"
)
DATABASES = "SELECT datname FROM pg_database WHERE datallowconn"


def placements_of(tenant_id: UUID) -> list[PlacementRecord]:
    """Return a tenant's placements, the active one first. An app's context is entered."""
    with catalog_transaction() as session:
        return list(
            session.scalars(
                select(PlacementRecord)
                .where(PlacementRecord.tenant_id == tenant_id)
                .order_by(PlacementRecord.is_active.desc())
                .options(joinedload(PlacementRecord.server))
            )
        )


def writable_sides(tenant_id: UUID) -> list[PlacementRecord]:
    """Return the placements whose guard serves somebody."""
    return [record for record in placements_of(tenant_id) if _is_open(record)]


def _is_open(record: PlacementRecord) -> bool:
    with side_of(record).administered() as raw:
        return read_epoch(raw, record.tenant_id) not in (CLOSED, None)


def inventory(installation: Installation) -> frozenset[str]:
    """Return all roles, databases, schemas, slots, subscriptions and publications."""
    return frozenset(
        f"{thing} on {name}"
        for name, server in installation.servers.items()
        for thing in _things_on(server)
    )


def _things_on(server: Server) -> Iterator[str]:
    for (thing,) in server.ask(OF_SERVER):
        yield thing
    for (database,) in server.ask(DATABASES):
        yield f"database {database}"
        for (thing,) in server.ask(OF_DATABASE, database=database):
            yield f"{thing} in {database}"


def names_of(record: PlacementRecord) -> frozenset[str]:
    """Return the database, the role and the schema of a placement."""
    return frozenset({record.database, record.schema, record.role})
