"""The places of tenants' tables: each is migrated once, also if many tenants share its tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from trially.tenancy.catalog import PlacementRecord, SharedDatabase, Tenant
from trially.tenancy.catalog_choices import UNBUILT, UNCLAIMED, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.tiers import TIERS

PlaceKey = tuple[str, str, str]
"""Server, database and schema."""

SHOWN_SLUGS = 3
"""The most tenants of one place that a table's cell names."""

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
    def key(self) -> "PlaceKey":
        """What identifies the place."""
        return self.server, self.database, self.schema

    @property
    def revision(self) -> str | None:
        """The recorded revision of its tables; None if there is none, or not a single one."""
        revisions = {record.revision for record in self.records}
        return revisions.pop() if len(revisions) == 1 else None

    @property
    def is_quarantined(self) -> bool:
        """Whether its last migration failed."""
        return any(record.quarantine is not None for record in self.records)

    @property
    def is_unused(self) -> bool:
        """Whether no tenant has its tables yet: a blank schema, or those of a ready tenant."""
        return all(record.tenant.status in UNCLAIMED for record in self.records)

    @property
    def name(self) -> str:
        """A short name: the slugs of its tenants, or that of a blank schema."""
        if not self.records:
            return f"blank schema of {self.database}"
        shown = ", ".join(self.slugs[:SHOWN_SLUGS])
        more = len(self.records) - SHOWN_SLUGS
        return f"{shown} and {more} more" if more > 0 else shown

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

    A tenant that is being created or made ready is left out. It copies a blank schema or a
    template, so it is at the new revision.
    """
    with catalog_transaction() as session:
        shared = session.scalars(select(SharedDatabase)).all()
        records = session.scalars(
            select(PlacementRecord)
            .join(Tenant, Tenant.id == PlacementRecord.tenant_id)
            .where(PlacementRecord.is_active, Tenant.status.not_in(UNBUILT))
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
