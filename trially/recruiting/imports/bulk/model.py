"""Exports that were requested from servers, so that a command can continue them."""

from enum import StrEnum

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import REMOVED, Copied, Held, classify, identifier
from trially.database.model import TenantModel, Timestamped
from trially.database.protection import SOURCES, protect


class ExportState(StrEnum):
    """The state of an export."""

    REQUESTED = "requested"
    """The server prepares it, or its files are being downloaded and imported."""

    DONE = "done"
    """All files are imported. The next export begins at its time."""

    INCOMPLETE = "incomplete"
    """The files are imported, but the server reported errors: records are missing."""

    ABANDONED = "abandoned"
    """It failed, or a newer one took its place."""


class BulkExport(Timestamped, TenantModel):
    """One export of a source."""

    __tablename__ = "bulk_export"

    source: Mapped[str] = mapped_column(String(64))
    base_url: Mapped[str] = mapped_column(String(1000))
    scope: Mapped[str] = mapped_column(String(100))
    """`Patient`, `system` or `Group/…`."""
    types: Mapped[list[str]]
    """Names of the requested types of resources; empty for all."""
    since: Mapped[str | None] = mapped_column(String(40))
    state: Mapped[ExportState] = mapped_column(String(10), server_default=ExportState.REQUESTED)
    status_url: Mapped[str | None] = mapped_column(String(4000))
    """Where the server shows the status. Removed at the end, as it may be a secret."""
    transaction_time: Mapped[str | None] = mapped_column(String(40))
    """The time of the exported data, in the server's notation."""

    __table_args__ = (
        Index("ix_bulk_export_tenant_id_source", "tenant_id", "source", "id"),
        {"info": unaudited("Its import is recorded.")},
    )


classify(
    BulkExport,
    {
        identifier("source"): "source",
        identifier("url"): "base_url",
        REMOVED: "scope types since transaction_time",
        Held.TECHNICAL: "state",
        Held.SECRET: "status_url",
    },
    Copied.NEVER,
)
protect(BulkExport, {}, SOURCES)
