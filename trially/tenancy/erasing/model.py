"""The catalog's tables of erasures. They hold no PHI, and no name of an erased tenant."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from trially.database.model import CatalogModel


class ErasureState(StrEnum):
    """Whether an erasure waits for the end of its period, runs, was cancelled, or is done."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    CANCELLED = "cancelled"
    DONE = "done"


OPEN = (ErasureState.SCHEDULED, ErasureState.RUNNING)


class Erasure(CatalogModel):
    """The order to erase a tenant, and the certificate. It outlives the tenant."""

    __tablename__ = "erasure"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    state: Mapped[ErasureState] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(500))
    ordered_by: Mapped[str] = mapped_column(String(255))
    ordered_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    due_at: Mapped[dt.datetime]
    was_active: Mapped[bool]
    """Whether the tenant was served when the erasure was ordered, so that cancelling resumes it."""

    cancelled_at: Mapped[dt.datetime | None]
    cancelled_by: Mapped[str | None] = mapped_column(String(255))
    tenant_created_at: Mapped[dt.datetime]
    erased_at: Mapped[dt.datetime | None]
    counts: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What the stores held before, while the erasure runs."""

    certificate: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))

    __table_args__ = (
        Index(
            "uq_erasure_open",
            "tenant_id",
            unique=True,
            postgresql_where=text("state IN ('scheduled', 'running')"),
        ),
    )


class ErasedSlug(CatalogModel):
    """The SHA-256 of a slug that an erased tenant had. No other tenant may have the slug."""

    __tablename__ = "erased_slug"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]


class ErasedPerson(CatalogModel):
    """A patient whose erasure is applied again to what is restored from an older archive."""

    __tablename__ = "erased_person"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True
    )
    patient_id: Mapped[UUID] = mapped_column(primary_key=True)
    erased_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
