"""The tables of usage: days in the tenant's database; their copies and samples in the catalog."""

import datetime as dt
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import Copied, Held, choice, classify
from trially.database.model import CatalogModel, TenantModel
from trially.database.since import since
from trially.usage.meters import Meter, Quality

REVISION = "0034"
"""The migration that creates the tenant's table."""


class Counted:
    """What was counted of one meter on one day. It is written once, and never changes."""

    quantity: Mapped[int] = mapped_column(BigInteger)
    included: Mapped[int | None] = mapped_column(BigInteger)
    """What the plan allowed when it was counted. NULL means unlimited, or no limit of the plan."""
    plan: Mapped[str] = mapped_column(String(40))
    quality: Mapped[Quality] = mapped_column(String(10))
    ended_at: Mapped[dt.datetime]
    """When the day ended."""
    counted_at: Mapped[dt.datetime]


class DailyUsage(Counted, TenantModel):
    """The quantity of one meter of the tenant on one day: what is billed."""

    __tablename__ = "daily_usage"

    day: Mapped[dt.date] = mapped_column(Date, sort_order=-2)
    """A day of the tenant's time zone."""
    meter: Mapped[Meter] = mapped_column(String(40), sort_order=-1)
    unit_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    """The ids of the members who were counted. NULL for other meters, and after a restore."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "meter", "day"),
        {"info": unaudited("It only counts.") | since(REVISION)},
    )


class DailyUsageCopy(Counted, CatalogModel):
    """A copy of a tenant's day in the catalog. It stays when the tenant is erased."""

    __tablename__ = "daily_usage_copy"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    meter: Mapped[Meter] = mapped_column(String(40), primary_key=True)

    __table_args__ = (Index("ix_daily_usage_copy_day", "day"),)


class UsageSample(CatalogModel):
    """What one process has counted of one tenant in one hour, as far as it has sent it."""

    __tablename__ = "usage_sample"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True
    )
    hour: Mapped[dt.datetime] = mapped_column(primary_key=True)
    process_id: Mapped[UUID] = mapped_column(primary_key=True)
    requests: Mapped[int] = mapped_column(BigInteger)
    database_us: Mapped[int] = mapped_column(BigInteger)
    egress_bytes: Mapped[int] = mapped_column(BigInteger)


class UsageStart(CatalogModel):
    """When this installation began to count. Days before are not made up."""

    __tablename__ = "usage_start"

    id: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (CheckConstraint("id = 1", name="one"),)


classify(
    DailyUsage,
    {
        choice(Meter): "meter",
        choice(Quality): "quality",
        Held.TECHNICAL: "plan",
        Held.NUMBER: "quantity included",
        Held.MOMENT: "day ended_at counted_at",
        Held.ID: "unit_ids",
    },
    Copied.NEVER,
)
