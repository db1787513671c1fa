"""The ledger of migrations: the runs, and what each did to each place. It holds no PHI."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from trially.database.model import CatalogModel


class RunState(StrEnum):
    """What became of a run."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It visited every place, and some could not be migrated."""

    STOPPED = "stopped"
    """Too many places failed, or a canary did, so the places that remained were not visited."""

    INTERRUPTED = "interrupted"
    """Its process ended before it did."""


class PlaceState(StrEnum):
    """What a run did to a place."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    """Its server did not answer, so nothing was tried."""

    SKIPPED = "skipped"
    """An operation works on its tenant, so nothing was tried."""


class MigrationRun(CatalogModel):
    """One run of the tenants' migrations."""

    __tablename__ = "migration_run"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    target: Mapped[str] = mapped_column(String(32))
    """The revision that the run migrates to."""

    options: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    state: Mapped[RunState] = mapped_column(String(20))
    started_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[dt.datetime | None]
    at_target: Mapped[int] = mapped_column(server_default="0")
    """The number of places that a check found at the target. They have no row of their own."""


class PlaceMigration(CatalogModel):
    """What one run did to the tables of one place, which several tenants may share."""

    __tablename__ = "place_migration"

    run_id: Mapped[UUID] = mapped_column(
        ForeignKey("migration_run.id", ondelete="CASCADE"), primary_key=True
    )
    server: Mapped[str] = mapped_column(String(40), primary_key=True)
    database: Mapped[str] = mapped_column(String(63), primary_key=True)
    schema: Mapped[str] = mapped_column(String(63), primary_key=True)
    stage: Mapped[str] = mapped_column(String(40))
    from_revision: Mapped[str | None] = mapped_column(String(32))
    to_revision: Mapped[str | None] = mapped_column(String(32))
    """The revision of the tables after the last attempt."""

    state: Mapped[PlaceState] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column(server_default="0")
    sqlstate: Mapped[str | None] = mapped_column(String(5))
    error: Mapped[str | None]
    statement: Mapped[str | None]
    """The SQL that failed, as the migration writes it, without its parameters."""

    ms: Mapped[int | None]

    __table_args__ = (Index("ix_place_migration_database_schema", "database", "schema"),)
