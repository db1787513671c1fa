"""The places of tenants' tables: each is migrated once, also if many tenants share its tables."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import Connection, select
from sqlalchemy.orm import joinedload

from trially.tenancy.catalog import PlacementRecord, SharedDatabase, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.schema.guard import GUARD_DDL
from trially.tenancy.schema.revisions import read_revision, record_revision
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.tiers import TIERS

NAMED_TENANTS = 20
"""The most tenants of one place that are named. More may share the tables of a pool."""


@dataclass(frozen=True)
class Place:
    """A placement, whose tables several tenants may share, or the blank schema of a database."""

    server: str
    database: str
    schema: str
    tier: Tier
    records: Sequence[PlacementRecord] = ()
    """The tenants' placements; none for a blank schema."""

    @property
    def slugs(self) -> list[str]:
        """The slugs of the tenants."""
        return [record.tenant.slug for record in self.records]

    def __str__(self) -> str:
        if not self.records:
            return f"the blank schema of database {self.database} (server {self.server})"
        where = f"(server {self.server}, database {self.database}, schema {self.schema})"
        slugs = self.slugs
        if len(slugs) == 1:
            return f"the tenant {slugs[0]} {where}"
        named = ", ".join(slugs[:NAMED_TENANTS]) + ", …" * (len(slugs) > NAMED_TENANTS)
        return f"{len(slugs)} tenants {where}: {named}"


def read_places() -> list[Place]:
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
        Place(each.server.name, each.name, blank, Tier(each.tier))
        for each in shared
        if (blank := TIERS[Tier(each.tier)].blank_schema) is not None
    ]
    sharing: dict[tuple[str, str, str], list[PlacementRecord]] = {}
    for record in records:
        key = (record.server.name, record.database, record.schema)
        sharing.setdefault(key, []).append(record)
    return places + [Place(*key, Tier(of[0].tier), of) for key, of in sharing.items()]


def migrate_place(
    place: Place, owned: Connection, run_migrations: Callable[[Callable[[], None]], bool]
) -> bool:
    """Run migrations on a place, leave it as a new tenant's would be, and record its revision.

    `owned` is a connection as the owner of its tables. `run_migrations` calls the function that it
    gets directly before it changes tables, and returns whether it changes any. Returns the same.
    """
    raw = driver_connection(owned)
    try:
        is_changed = _migrate(place, owned, run_migrations)
    except BaseException:
        owned.rollback()
        with suppress(psycopg2.Error):
            _record(place, raw)
        raise
    if is_changed:
        _record(place, raw)
    return is_changed


def _migrate(
    place: Place, owned: Connection, run_migrations: Callable[[Callable[[], None]], bool]
) -> bool:
    tier, raw = TIERS[place.tier], driver_connection(owned)
    if not place.records:
        is_changed = run_migrations(lambda: None)
        if is_changed:
            execute(raw, GUARD_DDL)
            tier.compose_blank_schema(raw, place.database)
            raw.commit()
        return is_changed
    before, after = (
        tier.pre_migration_sql(place.records[0]),
        tier.post_migration_sql(place.records[0]),
    )
    try:
        is_changed = run_migrations(lambda: _commit(raw, before) if before else None)
    except BaseException:
        owned.rollback()
        if before:
            _commit(raw, after)
        raise
    if is_changed:
        _commit(raw, GUARD_DDL, after)
    return is_changed


def _record(place: Place, raw: connection) -> None:
    """Record the revision of a place, which a failed command may have changed too."""
    revision = read_revision(raw, place.schema)
    raw.commit()
    record_revision(place.records, revision)


def _commit(raw: connection, *statements: sql.Composable | str) -> None:
    for statement in statements:
        execute(raw, statement)
    raw.commit()
