"""The catalog's tables of plans, and of exceptions from them."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.model import CatalogModel, Timestamped

DEFAULT_PLAN = "standard"
"""The plan of a tenant whose plan is not chosen: what tenants had before plans had limits."""


class Plan(Timestamped, CatalogModel):
    """What tenants of a plan are allowed."""

    __tablename__ = "plan"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    description: Mapped[str] = mapped_column(String(200), server_default="")
    tiers: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"))
    """The tiers that its tenants may be in; the first is that of new ones. Empty means all tiers.
    """
    limits: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """Numbers by the name of the limit. A limit that is missing is unlimited."""
    features: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    """The names of its features. NULL means all, also those of later versions."""


class PlanOverride(Timestamped, CatalogModel):
    """One limit or feature that a tenant has otherwise than its plan."""

    __tablename__ = "plan_override"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    """The name of a `Limit` or of a `Feature`. No name is both."""
    most: Mapped[int | None] = mapped_column(BigInteger)
    """The limit; NULL means unlimited."""
    is_on: Mapped[bool | None] = mapped_column(Boolean)
    """Whether the tenant has the feature. NULL for a limit."""
    reason: Mapped[str] = mapped_column(String(500))
    until: Mapped[dt.datetime | None]
    """When it ends. NULL means never."""

    __table_args__ = (CheckConstraint("most >= 0", name="most"),)
