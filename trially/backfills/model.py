"""How far each backfill of a tenant is, in the tenant's own tables.

The position is committed with the rows of each batch. So a killed process loses no batch, and none
is done twice.
"""

import datetime as dt
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from trially.backfills.registry import FIRST_REVISION
from trially.database.changes import unaudited
from trially.database.classes import REMOVED, Copied, Held, classify
from trially.database.model import TenantModel
from trially.database.protection import OF_MEMBERS, protect
from trially.database.since import since


class BackfillState(StrEnum):
    """How far a backfill is."""

    RUNNING = "running"
    """Not done. Whether a process works on it is not recorded: it may have died."""

    FAILED = "failed"
    DONE = "done"


class BackfillProgress(TenantModel):
    """The position of one backfill."""

    __tablename__ = "backfill_progress"

    name: Mapped[str] = mapped_column(String(80))
    state: Mapped[BackfillState] = mapped_column(String(10), server_default=BackfillState.RUNNING)
    position: Mapped[UUID | None]
    """The last row that was visited. Rows are visited by id."""

    visited: Mapped[int] = mapped_column(BigInteger, server_default="0")
    changed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    error: Mapped[str | None] = mapped_column(String(1000))
    """Why the last batch failed, without the values of a row."""

    started_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("tenant_id", "name", name="uq_backfill_progress_tenant_id_name"),
        {
            "info": {
                **since(FIRST_REVISION),
                **unaudited("The position of work on a table."),
            }
        },
    )


classify(
    BackfillProgress,
    {
        Held.TECHNICAL: "name state",
        Held.ID: "position",
        Held.NUMBER: "visited changed",
        REMOVED: "error",
        Held.MOMENT: "started_at",
    },
    Copied.UNMASKED,
)
protect(BackfillProgress, {}, OF_MEMBERS)
