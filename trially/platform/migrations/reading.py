"""Read the ledger of migrations."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trially.platform.listing import Item
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.migrating.status import read_status
from trially.tenancy.migration_runs import MigrationRun, PlaceMigration, PlaceState
from trially.tenancy.schema.revision_files import TENANT_LINEAGE
from trially.tenancy.schema.revisions import needed_revision

PLACES_SHOWN = 100
_PLACE = (
    *("server", "database", "schema", "stage", "from_revision", "to_revision", "state"),
    *("attempts", "sqlstate", "error", "ms"),
)


def list_runs(after: str | None, limit: int) -> Sequence[Item]:
    """Return runs, newest first."""
    statement = select(MigrationRun).order_by(MigrationRun.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(MigrationRun.id < UUID(after))
    with catalog_transaction() as session:
        runs = session.scalars(statement).all()
        counts = _count(session, [each.id for each in runs])
    return [_describe(each, counts[each.id]) for each in runs]


def find_run(run_id: UUID) -> Item | None:
    """Return a run with the first places that it has not migrated, or None."""
    with catalog_transaction() as session:
        run = session.get(MigrationRun, run_id)
        if run is None:
            return None
        places = session.scalars(
            select(PlaceMigration)
            .where(PlaceMigration.run_id == run_id, PlaceMigration.state != PlaceState.DONE)
            .order_by(PlaceMigration.server, PlaceMigration.database, PlaceMigration.schema)
            .limit(PLACES_SHOWN)
        ).all()
        counted = _count(session, [run_id])[run_id]
    unmigrated = [{name: getattr(each, name) for name in _PLACE} for each in places]
    return {**_describe(run, counted), "unmigrated": unmigrated}


def count_revisions() -> Item:
    """Return how many tenants are at which revision, compared with the one that is needed."""
    tenants = read_status()
    return {
        "needed": needed_revision(TENANT_LINEAGE),
        "tenants": dict(Counter(str(each.state) for each in tenants)),
        "quarantined": sum(each.record.quarantine is not None for each in tenants),
    }


def _count(session: Session, run_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    counts: dict[UUID, dict[str, int]] = defaultdict(dict)
    rows = session.execute(
        select(PlaceMigration.run_id, PlaceMigration.state, func.count())
        .where(PlaceMigration.run_id.in_(run_ids))
        .group_by(PlaceMigration.run_id, PlaceMigration.state)
    )
    for run_id, state, number in rows:
        counts[run_id][str(state)] = number
    return counts


def _describe(run: MigrationRun, places: dict[str, int]) -> Item:
    names = ("id", "target", "state", "started_at", "ended_at", "at_target")
    return {**{name: getattr(run, name) for name in names}, "places": places}
