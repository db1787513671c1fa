"""The catalog's table of tenants' data keys."""

import datetime as dt
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.model import CatalogModel


class TenantKey(CatalogModel):
    """One version of a tenant's data key. The greatest version is the current one."""

    __tablename__ = "tenant_key"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed: Mapped[str | None]
    """The key, wrapped by a master key (`trially.keys.providers.wrapped`). NULL: destroyed."""

    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    wrapped_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    """When a master key last wrapped it."""

    destroyed_at: Mapped[dt.datetime | None]

    __table_args__ = (
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("(sealed IS NULL) = (destroyed_at IS NOT NULL)", name="destroyed"),
    )
