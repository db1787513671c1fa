"""Write and read the ledger: one thread writes what the others have done."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Update, delete, func, insert, literal, select, text, update
from sqlalchemy.orm import Session

from trially.errors import OperatorError
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.migrating.attempts import Attempted
from trially.tenancy.migrating.places import Place, PlaceKey
from trially.tenancy.migrating.planning import RunOptions, Stage
from trially.tenancy.migration_runs import MigrationRun, PlaceMigration, PlaceState, RunState

KEPT_RUNS = 100
"""The number of runs that the ledger keeps."""

UNFINISHED = (
    *(PlaceState.PENDING, PlaceState.RUNNING),
    *(PlaceState.FAILED, PlaceState.UNREACHABLE, PlaceState.SKIPPED),
)


class NothingToResumeError(OperatorError):
    """No run was left unfinished."""


class Ledger:
    """The ledger of one run."""

    def __init__(self, run_id: UUID) -> None:
        self.run_id = run_id

    @classmethod
    def begin(cls, target: str, options: RunOptions, stages: Sequence[Stage]) -> "Ledger":
        """Begin a run, with a pending row for each place.

        A run whose process died is interrupted. The oldest runs are forgotten.
        """
        with catalog_transaction() as session:
            session.execute(
                update(MigrationRun)
                .where(MigrationRun.state == RunState.RUNNING)
                .values(state=RunState.INTERRUPTED, ended_at=func.now())
            )
            newest = select(MigrationRun.id).order_by(MigrationRun.id.desc()).limit(KEPT_RUNS - 1)
            session.execute(delete(MigrationRun).where(MigrationRun.id.not_in(newest)))
            run = MigrationRun(target=target, options=options.as_json(), state=RunState.RUNNING)
            session.add(run)
            session.flush()
            ledger = cls(run.id)
            ledger._plan(session, stages)
            return ledger

    def add(self, stages: Sequence[Stage]) -> None:
        """Write the pending rows of more places."""
        with catalog_transaction() as session:
            self._plan(session, stages)

    def _plan(self, session: Session, stages: Sequence[Stage]) -> None:
        rows = [
            {
                **_key_values(place.key),
                "run_id": self.run_id,
                "stage": stage.name[:40],
                "from_revision": place.revision,
                "to_revision": place.revision,
                "state": PlaceState.PENDING,
            }
            for stage in stages
            for place in stage.places
        ]
        if rows:
            session.execute(insert(PlaceMigration), rows)

    def record(self, begun: Iterable[Place], ended: Iterable[Attempted]) -> None:
        """Record places that are being migrated, and outcomes, in one transaction.

        The truth is in the tenants' databases, so the commit need not wait for the disk.
        """
        with catalog_transaction() as session:
            session.execute(text("SET LOCAL synchronous_commit = off"))
            for place in begun:
                session.execute(self._update(place.key).values(state=PlaceState.RUNNING))
            for attempted in ended:
                self._record_end(session, attempted)

    def end(self, state: RunState, at_target: int) -> None:
        """Record the end of the run."""
        with catalog_transaction() as session:
            session.execute(
                update(MigrationRun)
                .where(MigrationRun.id == self.run_id)
                .values(state=state, ended_at=func.now(), at_target=at_target)
            )

    def _record_end(self, session: Session, attempted: Attempted) -> None:
        failure, place = attempted.failure, attempted.place
        session.execute(
            self._update(place.key).values(
                state=state_of(attempted),
                from_revision=attempted.former,
                to_revision=attempted.revision,
                attempts=attempted.attempts,
                ms=attempted.ms,
                error=failure and failure.reason,
                sqlstate=failure and failure.sqlstate,
                statement=failure and failure.statement,
            )
        )
        if place.records and not (attempted.is_unreachable or attempted.is_skipped):
            session.execute(
                update(PlacementRecord)
                .where(PlacementRecord.id.in_([record.id for record in place.records]))
                .where(
                    PlacementRecord.revision.is_distinct_from(attempted.revision)
                    | PlacementRecord.quarantine.is_distinct_from(
                        literal(failure and failure.reason)
                    )
                )
                .values(revision=attempted.revision, quarantine=failure and failure.reason)
            )

    def _update(self, key: PlaceKey) -> Update:
        server, database, schema = key
        return update(PlaceMigration).where(
            PlaceMigration.run_id == self.run_id,
            PlaceMigration.server == server,
            PlaceMigration.database == database,
            PlaceMigration.schema == schema,
        )


def find_unfinished() -> tuple[MigrationRun, frozenset[PlaceKey]]:
    """Return the newest run that left places, and the keys of these.

    Runs before the last one that visited all tenants do not count. Raises `NothingToResumeError`.
    """
    with catalog_transaction() as session:
        for run in session.scalars(select(MigrationRun).order_by(MigrationRun.id.desc())):
            if run.state == RunState.DONE and not run.options.get("slugs"):
                break
            if left := _unfinished_places(session, run.id):
                return run, left
    raise NothingToResumeError(
        "The last run left nothing. `flask tenants migrate --all` begins a new one."
    )


def _unfinished_places(session: Session, run_id: UUID) -> frozenset[PlaceKey]:
    rows = session.execute(
        select(PlaceMigration.server, PlaceMigration.database, PlaceMigration.schema).where(
            PlaceMigration.run_id == run_id, PlaceMigration.state.in_(UNFINISHED)
        )
    )
    return frozenset((row.server, row.database, row.schema) for row in rows)


def state_of(attempted: Attempted) -> PlaceState:
    """Return what became of a place."""
    if attempted.failure is None:
        return PlaceState.DONE
    if attempted.is_skipped:
        return PlaceState.SKIPPED
    return PlaceState.UNREACHABLE if attempted.is_unreachable else PlaceState.FAILED


def _key_values(key: PlaceKey) -> dict[str, str]:
    return dict(zip(("server", "database", "schema"), key, strict=True))
