"""Take Alembic to every tenant: each placement in turn, or a scratch clone to compare with."""

from alembic import context
from sqlalchemy import select

from trially.tenancy.catalog import PlacementRecord, catalog_transaction
from trially.tenancy.guard import GUARD_DDL
from trially.tenancy.migrating import TENANT_LINEAGE, run_lineage
from trially.tenancy.servers import driver_connection, execute, server_access
from trially.tenancy.templates import TENANT_SCHEMA, as_owner, scratch_database
from trially.tenancy.tiers import tier_of


def run_on_scratch() -> None:
    """Run what Alembic was asked for on a clone of the template, as writing a migration does."""
    with scratch_database(server_access()) as scratch:
        run_lineage(TENANT_LINEAGE, scratch, TENANT_SCHEMA)


def run_on_every_tenant() -> None:
    """Run what Alembic was asked for on the placement of every tenant.

    Unless it was only a question, each is left as a tenant made today would be: with this version's
    guard, and with its role's grants and its own id's CHECK on the tables that have come.
    """
    with catalog_transaction() as session:
        records = session.scalars(
            select(PlacementRecord)
            .where(PlacementRecord.is_active)
            .order_by(PlacementRecord.created_at)
        ).all()
    for record in records:
        with as_owner(server_access(record.server.name), record.database) as owned:
            run_lineage(TENANT_LINEAGE, owned, record.schema)
            if context.get_context().opts.get("dont_mutate"):
                continue
            raw = driver_connection(owned)
            execute(raw, GUARD_DDL)
            raw.commit()
        tier_of(record).dress_space(record)
