"""Compare the revisions that the catalog records with those that this version of the app knows.

The catalog records the revision of each placement's tables: `flask db` after each visit, and
provisioning for a new tenant. So one query tells how many tenants are behind.
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import Connection, func, select, update

from trially.tenancy.catalog import PlacementRecord, Tenant
from trially.tenancy.catalog_choices import UNSERVED
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.pinning import is_served
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, newest_revision
from trially.tenancy.servers.connections import execute


class Revision(StrEnum):
    """How a recorded revision compares with the one that this version of the app needs."""

    CURRENT = "current"
    BEHIND = "behind"
    """It is the one before. Its tenants are served, without what the newest migration adds."""

    OUTDATED = "outdated"
    """It is older than that, or not a revision of this lineage. Its tenants are not served."""

    NEWER = "newer"
    """A newer version has migrated the tables, as a deployment does before it replaces workers."""

    UNKNOWN = "unknown"
    """No revision is recorded."""


def compare(recorded: str | None, head: str) -> Revision:
    """Compare a recorded revision with the head. Revisions are numbers: 0001, 0002, …."""
    if recorded is None:
        return Revision.UNKNOWN
    if recorded == head:
        return Revision.CURRENT
    if not (recorded.isdecimal() and head.isdecimal()):
        return Revision.OUTDATED
    if int(recorded) > int(head):
        return Revision.NEWER
    return Revision.BEHIND if int(recorded) + 1 == int(head) else Revision.OUTDATED


@cache
def needed_revision(lineage: Path) -> str:
    """Return the revision that the code of this process needs.

    It is read once, because a deployment may replace the files while this process still runs the
    code of before.
    """
    return newest_revision(lineage)


def count_tenants(catalog: Connection) -> Counter[Revision]:
    """Count the tenants whose recorded revision is current, behind, newer and unknown."""
    head = needed_revision(TENANT_LINEAGE)
    recorded = catalog.execute(
        select(PlacementRecord.revision, func.count())
        .join(Tenant, Tenant.id == PlacementRecord.tenant_id)
        .where(PlacementRecord.is_active, Tenant.status.not_in(UNSERVED), is_served())
        .group_by(PlacementRecord.revision)
    )
    counts: Counter[Revision] = Counter()
    for revision, count in recorded:
        counts[compare(revision, head)] += count
    return counts


def count_quarantined(catalog: Connection) -> int:
    """Count the tenants whose last migration failed."""
    return (
        catalog.scalar(
            select(func.count())
            .select_from(PlacementRecord)
            .join(Tenant, Tenant.id == PlacementRecord.tenant_id)
            .where(PlacementRecord.is_active, PlacementRecord.quarantine.is_not(None), is_served())
        )
        or 0
    )


def read_revision(raw: connection, schema: str) -> str | None:
    """Return the revision of the tables in a schema, or None if it has no single one."""
    table = sql.Identifier(schema, "alembic_version")
    if execute(raw, "SELECT to_regclass(%s)", table.as_string(raw)) == [(None,)]:
        return None
    found = execute(raw, sql.SQL("SELECT version_num FROM {}").format(table))
    return str(found[0][0]) if len(found) == 1 else None


def record_revision(records: Sequence[PlacementRecord], revision: str | None) -> None:
    """Record the revision of placements that share their tables."""
    changed = [record.id for record in records if record.revision != revision]
    if changed:
        with catalog_transaction() as session:
            session.execute(
                update(PlacementRecord)
                .where(PlacementRecord.id.in_(changed))
                .values(revision=revision)
            )
