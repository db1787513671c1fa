"""Run an Alembic command on every tenant's placement, or on a scratch database."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import click
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import Connection, select
from sqlalchemy.orm import joinedload

from trially.tenancy.catalog import (
    PlacementRecord,
    SharedDatabase,
    Tier,
    catalog_transaction,
)
from trially.tenancy.lifecycle.migration_failures import FailedPlacements
from trially.tenancy.schema.databases import as_owner
from trially.tenancy.schema.guard import GUARD_DDL
from trially.tenancy.schema.lineages import TENANT_LINEAGE, run_lineage
from trially.tenancy.schema.revisions import read_revision, record_revision
from trially.tenancy.schema.templates import TENANT_SCHEMA, scratch_database
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.tiers import TIERS

NAMED_TENANTS = 20
"""The most tenants of one placement that are named. More may share the tables of a pool."""


@dataclass(frozen=True)
class _Place:
    """A placement, whose tables several tenants may share, or the blank schema of a database."""

    server: str
    database: str
    schema: str
    tier: Tier
    records: Sequence[PlacementRecord] = ()
    """The tenants' placements; none for a blank schema."""

    def __str__(self) -> str:
        if not self.records:
            return f"the blank schema of database {self.database} (server {self.server})"
        where = f"(server {self.server}, database {self.database}, schema {self.schema})"
        slugs = [record.tenant.slug for record in self.records]
        if len(slugs) == 1:
            return f"the tenant {slugs[0]} {where}"
        named = ", ".join(slugs[:NAMED_TENANTS]) + ", …" * (len(slugs) > NAMED_TENANTS)
        return f"{len(slugs)} tenants {where}: {named}"


def run_on_scratch() -> None:
    """Run the current Alembic command on a clone of the template. `flask db migrate` does."""
    with scratch_database(server_access()) as scratch:
        run_lineage(TENANT_LINEAGE, scratch, TENANT_SCHEMA)


def run_on_every_tenant() -> None:
    """Run the current Alembic command on each placement in turn, and on shared tables once.

    A command that changes tables leaves each placement as a new tenant's would be: with this
    version's guard, the grants of its role, and the CHECKs of its tenant on added tables. The
    catalog then records the placement's revision.
    If a placement fails, the others are visited all the same. Raises `FleetMigrationError` at the
    end, which names each placement that failed, and its error.
    """
    places = _read_fleet()
    failed = FailedPlacements(len(places))
    for number, place in enumerate(places, start=1):
        click.echo(f"{number} of {len(places)}: {place}", err=True)
        failed.run(str(place), place.server, partial(_visit, place))
    failed.raise_if_any()


def _read_fleet() -> list[_Place]:
    """Return the blank schemas, and then the placements, the oldest first.

    A tenant that is created meanwhile copies a blank schema, so it is at the new revision.
    """
    with catalog_transaction() as session:
        shared = session.scalars(select(SharedDatabase)).all()
        records = session.scalars(
            select(PlacementRecord)
            .where(PlacementRecord.is_active)
            .options(joinedload(PlacementRecord.tenant))
            .order_by(PlacementRecord.created_at)
        ).all()
    places = [
        _Place(each.server.name, each.name, blank, Tier(each.tier))
        for each in shared
        if (blank := TIERS[Tier(each.tier)].blank_schema) is not None
    ]
    sharing: dict[tuple[str, str, str], list[PlacementRecord]] = {}
    for record in records:
        key = (record.server.name, record.database, record.schema)
        sharing.setdefault(key, []).append(record)
    return places + [_Place(*key, Tier(of[0].tier), of) for key, of in sharing.items()]


def _visit(place: _Place) -> None:
    """Run the command on one place, and record its revision if the command changes tables."""
    with as_owner(server_access(place.server), place.database) as owned:
        raw = driver_connection(owned)
        try:
            is_changed = _run(place, owned)
        except BaseException:
            owned.rollback()
            with suppress(psycopg2.Error):
                _record(place, raw)
            raise
        if is_changed:
            _record(place, raw)


def _run(place: _Place, owned: Connection) -> bool:
    """Run the command, and return whether it changes tables."""
    tier, raw = TIERS[place.tier], driver_connection(owned)
    if not place.records:
        is_changed = run_lineage(TENANT_LINEAGE, owned, place.schema)
        if is_changed:
            execute(raw, GUARD_DDL)
            tier.compose_blank_schema(raw, place.database)
            raw.commit()
        return is_changed
    record = place.records[0]
    pre_migration_sql = tier.pre_migration_sql(record)
    try:
        is_changed = run_lineage(
            TENANT_LINEAGE,
            owned,
            place.schema,
            before_changes=lambda: _commit(raw, pre_migration_sql) if pre_migration_sql else None,
        )
    except BaseException:
        owned.rollback()
        if pre_migration_sql:
            _commit(raw, tier.post_migration_sql(record))
        raise
    if is_changed:
        _commit(raw, GUARD_DDL, tier.post_migration_sql(record))
    return is_changed


def _record(place: _Place, raw: connection) -> None:
    """Record the revision of a place, which a failed command may have changed too."""
    revision = read_revision(raw, place.schema)
    raw.commit()
    record_revision(place.records, revision)


def _commit(raw: connection, *statements: sql.Composable | str) -> None:
    for statement in statements:
        execute(raw, statement)
    raw.commit()
