"""The catalog's table of archives. It holds no PHI."""

import datetime as dt
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, String, func
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from trially.database.model import CatalogModel


class Archive(CatalogModel):
    """An archive that was written completely. It outlives its tenant, until it is removed."""

    __tablename__ = "archive"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    """No foreign key: the archives of an erased tenant are still listed."""

    tenant_slug: Mapped[str] = mapped_column(String(40))
    """The slug at the time."""

    url: Mapped[str]
    """Where the archive is, without credentials."""

    key_version: Mapped[int]
    """The version of the tenant's data key that opens it."""

    snapshot_at: Mapped[dt.datetime]
    """When the rows were as they are in the archive."""

    revision: Mapped[str] = mapped_column(String(32))
    rows: Mapped[int] = mapped_column(BigInteger)
    row_bytes: Mapped[int] = mapped_column(BigInteger)
    """Of all rows, before compression."""

    size: Mapped[int] = mapped_column(BigInteger)
    """In bytes, compressed and encrypted."""

    sha256: Mapped[str] = mapped_column(String(64))
    """Of the whole file."""

    seconds: Mapped[float]
    """How long it took to write."""

    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    verified_at: Mapped[dt.datetime | None]
    """When it was last restored and compared."""

    verification: Mapped[str | None] = mapped_column(String(500))
    """What was wrong then; NULL if all rows were equal, or if it was never verified."""

    removed_at: Mapped[dt.datetime | None]
    """When its file was removed."""

    __table_args__ = (
        CheckConstraint("rows >= 0 AND size > 0", name="amounts"),
        Index("ix_archive_tenant_id_snapshot_at", "tenant_id", "snapshot_at"),
    )
