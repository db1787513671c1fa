"""Take Alembic to every tenant: each placement in turn, or a scratch clone to compare with."""

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import select

from trially.tenancy.catalog import (
    PlacementRecord,
    SharedDatabase,
    Tier,
    catalog_transaction,
)
from trially.tenancy.schema.databases import as_owner
from trially.tenancy.schema.guard import GUARD_DDL
from trially.tenancy.schema.lineages import TENANT_LINEAGE, run_lineage
from trially.tenancy.schema.templates import TENANT_SCHEMA, scratch_database
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.tiers import TIERS, tier_of


def run_on_scratch() -> None:
    """Run what Alembic was asked for on a clone of the template, as writing a migration does."""
    with scratch_database(server_access()) as scratch:
        run_lineage(TENANT_LINEAGE, scratch, TENANT_SCHEMA)


def run_on_every_tenant() -> None:
    """Run what Alembic was asked for on the placement of every tenant, on shared tables once.

    Unless it was only a question, each is left as a tenant made today would be: with this version's
    guard, and with its role's grants and its own id's CHECK on the tables that have come.
    """
    with catalog_transaction() as session:
        shared = session.scalars(select(SharedDatabase)).all()
        records = session.scalars(
            select(PlacementRecord)
            .where(PlacementRecord.is_active)
            .order_by(PlacementRecord.created_at)
        ).all()
    # A tenant made meanwhile is a copy of what has been migrated, and found at its revision.
    for database in shared:
        _migrate_blank_schema(database)
    places = {(each.server.name, each.database, each.schema): each for each in reversed(records)}
    for record in reversed(places.values()):
        _run_on(record)


def _migrate_blank_schema(database: SharedDatabase) -> None:
    tier = TIERS[Tier(database.tier)]
    if tier.blank_schema is None:
        return
    with as_owner(server_access(database.server.name), database.name) as owned:
        if run_lineage(TENANT_LINEAGE, owned, tier.blank_schema):
            raw = driver_connection(owned)
            execute(raw, GUARD_DDL)
            tier.compose_blank_schema(raw, database.name)
            raw.commit()


def _run_on(record: PlacementRecord) -> None:
    tier, access = tier_of(record), server_access(record.server.name)
    pre_migration_sql = tier.pre_migration_sql(record)
    with as_owner(access, record.database) as owned:
        raw = driver_connection(owned)
        try:
            is_changed = run_lineage(
                TENANT_LINEAGE,
                owned,
                record.schema,
                before_changes=lambda: (
                    _commit(raw, pre_migration_sql) if pre_migration_sql else None
                ),
            )
        except BaseException:
            owned.rollback()
            if pre_migration_sql:
                _commit(raw, tier.post_migration_sql(record))
            raise
        if is_changed:
            _commit(raw, GUARD_DDL, tier.post_migration_sql(record))


def _commit(raw: connection, *statements: sql.Composable | str) -> None:
    for statement in statements:
        execute(raw, statement)
    raw.commit()
