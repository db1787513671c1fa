"""Run an Alembic command on every tenant's placement, or on a scratch database."""

from alembic.util import CommandError
from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from trially.errors import OperatorError
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


class FleetMigrationError(OperatorError):
    """An Alembic command failed on one placement; the placements after it were not visited."""


def run_on_scratch() -> None:
    """Run the current Alembic command on a clone of the template. `flask db migrate` does."""
    with scratch_database(server_access()) as scratch:
        run_lineage(TENANT_LINEAGE, scratch, TENANT_SCHEMA)


def run_on_every_tenant() -> None:
    """Run the current Alembic command on each placement in turn, and on shared tables once.

    A command that changes tables leaves each placement as a new tenant's would be: with this
    version's guard, the grants of its role, and the CHECKs of its tenant on added tables.
    Raises `FleetMigrationError`, which names the placement, at the first failure.
    """
    blanks, placements = read_fleet()
    total = len(blanks) + len(placements)
    # Blank schemas come first. A tenant created meanwhile copies one, so it is at the new revision.
    for done, blank in enumerate(blanks):
        try:
            _run_on_blank_schema(blank)
        except Exception as error:
            where = f"the blank schema of database {blank.name} (server {blank.server.name})"
            raise _failure(where, error, done, total) from error
    for done, records in enumerate(placements, start=len(blanks)):
        try:
            _run_on_placement(records[0])
        except Exception as error:
            raise _failure(_describe(records), error, done, total) from error


def read_fleet() -> tuple[list[SharedDatabase], list[list[PlacementRecord]]]:
    """Return the databases with a blank schema, and the placements: several if they share tables.

    The oldest placement comes first.
    """
    with catalog_transaction() as session:
        shared = session.scalars(select(SharedDatabase)).all()
        records = session.scalars(
            select(PlacementRecord)
            .where(PlacementRecord.is_active)
            .options(joinedload(PlacementRecord.tenant))
            .order_by(PlacementRecord.created_at)
        ).all()
    placements: dict[tuple[str, str, str], list[PlacementRecord]] = {}
    for record in records:
        key = (record.server.name, record.database, record.schema)
        placements.setdefault(key, []).append(record)
    blanks = [each for each in shared if TIERS[Tier(each.tier)].blank_schema is not None]
    return blanks, list(placements.values())


def _run_on_blank_schema(blank: SharedDatabase) -> None:
    tier = TIERS[Tier(blank.tier)]
    assert tier.blank_schema is not None  # noqa: S101
    with as_owner(server_access(blank.server.name), blank.name) as owned:
        if run_lineage(TENANT_LINEAGE, owned, tier.blank_schema):
            raw = driver_connection(owned)
            execute(raw, GUARD_DDL)
            tier.compose_blank_schema(raw, blank.name)
            raw.commit()


def _run_on_placement(record: PlacementRecord) -> None:
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
                    commit(raw, pre_migration_sql) if pre_migration_sql else None
                ),
            )
        except BaseException:
            owned.rollback()
            if pre_migration_sql:
                commit(raw, tier.post_migration_sql(record))
            raise
        if is_changed:
            commit(raw, GUARD_DDL, tier.post_migration_sql(record))


def commit(raw: connection, *statements: sql.Composable | str) -> None:
    """Execute statements in one transaction."""
    for statement in statements:
        execute(raw, statement)
    raw.commit()


def _describe(records: list[PlacementRecord]) -> str:
    first = records[0]
    who = f"the tenant {first.tenant.slug}" if len(records) == 1 else f"{len(records)} tenants"
    return f"{who} (server {first.server.name}, database {first.database}, schema {first.schema})"


def _failure(where: str, error: Exception, done: int, total: int) -> FleetMigrationError:
    """Compose the error. A database's own message may quote a row, so only its type is shown."""
    if isinstance(error, (OperatorError, CommandError)):
        cause = str(error)
    else:
        cause = f"{type(getattr(error, 'orig', None) or error).__name__}."
    return FleetMigrationError(
        f"The command failed for {where}: {cause}\n"
        f"It succeeded for {done} of {total} placements before. Correct the cause and run it again."
        " `flask --debug db …` shows the traceback."
    )
