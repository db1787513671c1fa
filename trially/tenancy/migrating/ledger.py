"""Write and read the ledger: one thread writes what the others have done."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    TableValuedAlias,
    cast,
    column,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

from trially.errors import OperatorError
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.migrating.attempts import Attempted
from trially.tenancy.migrating.places import Place, PlaceKey
from trially.tenancy.migrating.planning import RunOptions, Stage
from trially.tenancy.migration_runs import MigrationRun, PlaceMigration, PlaceState, RunState

KEPT_RUNS = 100
"""The number of runs that the ledger keeps."""

KEY = ("server", "database", "schema")
"""What identifies a place in the ledger of a run."""

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

    def record(self, begun: Iterable[Place], ended: Sequence[Attempted]) -> None:
        """Record places that are being migrated, and outcomes, in one transaction.

        The truth is in the tenants' databases, so the commit need not wait for the disk.
        """
        with catalog_transaction() as session:
            session.execute(text("SET LOCAL synchronous_commit = off"))
            running = [{**_key_values(place.key), "state": PlaceState.RUNNING} for place in begun]
            if running:
                self._update(session, running)
            if ended:
                self._update(session, [_outcome(attempted) for attempted in ended])
                _record_placements(session, ended)

    def end(self, state: RunState, at_target: int) -> None:
        """Record the end of the run."""
        with catalog_transaction() as session:
            session.execute(
                update(MigrationRun)
                .where(MigrationRun.id == self.run_id)
                .values(state=state, ended_at=func.now(), at_target=at_target)
            )

    def _update(self, session: Session, rows: Sequence[dict[str, Any]]) -> None:
        """Update places, all in one statement. All rows have the same values."""
        new = _as_rows(PlaceMigration.__table__.columns, rows)
        session.execute(
            update(PlaceMigration)
            .where(
                PlaceMigration.run_id == self.run_id,
                *(getattr(PlaceMigration, name) == new.c[name] for name in KEY),
            )
            .values({name: new.c[name] for name in rows[0] if name not in KEY})
            .execution_options(synchronize_session=False)
        )


def _outcome(attempted: Attempted) -> dict[str, Any]:
    failure = attempted.failure
    return {
        **_key_values(attempted.place.key),
        "state": state_of(attempted),
        "from_revision": attempted.former,
        "to_revision": attempted.revision,
        "attempts": attempted.attempts,
        "ms": attempted.ms,
        "error": failure and failure.reason,
        "sqlstate": failure and failure.sqlstate,
        "statement": failure and failure.statement,
    }


def _record_placements(session: Session, ended: Iterable[Attempted]) -> None:
    """Record the revisions of tenants, and which are quarantined, all in one statement."""
    rows = [
        {
            "id": str(record.id),
            "revision": attempted.revision,
            "quarantine": attempted.failure and attempted.failure.reason,
        }
        for attempted in ended
        if not (attempted.is_unreachable or attempted.is_skipped)
        for record in attempted.place.records
    ]
    if not rows:
        return
    new = _as_rows(PlacementRecord.__table__.columns, rows)
    session.execute(
        update(PlacementRecord)
        .where(
            PlacementRecord.id == new.c.id,
            PlacementRecord.revision.is_distinct_from(new.c.revision)
            | PlacementRecord.quarantine.is_distinct_from(new.c.quarantine),
        )
        .values(revision=new.c.revision, quarantine=new.c.quarantine)
        .execution_options(synchronize_session=False)
    )


def _as_rows(
    columns: ReadOnlyColumnCollection[str, KeyedColumnElement[Any]], rows: Sequence[dict[str, Any]]
) -> TableValuedAlias:
    """Return rows as a table, whose columns have the types of those of the same name."""
    typed = [column(name, columns[name].type) for name in rows[0]]
    given = func.jsonb_to_recordset(cast(rows, JSONB)).table_valued(*typed, name="new")
    return given.render_derived(with_types=True)


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
    return dict(zip(KEY, key, strict=True))
