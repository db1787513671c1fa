"""Imports: what they read, and how far they are."""

import datetime as dt
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import REMOVED, Copied, Held, classify, identifier
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import SOURCES, WORK, protect
from trially.resources.sorting import by, ignoring_case, index_sorts


class ImportState(StrEnum):
    """The state of an import. If its process was killed, it stays `running`."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """Out of time, or its worker has ended. With the same input, the import continues."""

    CANCELLED = "cancelled"
    """Its job was cancelled. The batches before that stay."""

    DELETING = "deleting"
    """Being deleted. If the process died meanwhile, deleting it again continues."""


UNFINISHED = (ImportState.RUNNING, ImportState.STOPPED)
"""The states of imports that can continue."""


class Completeness(StrEnum):
    """How far an import is that was declared a full export of its source."""

    READING = "reading"
    """The import has not ended."""
    INCOMPLETE = "incomplete"
    """It failed, or a record could not be read. Nothing is withdrawn."""
    OVERTAKEN = "overtaken"
    """Another import of the source ran meanwhile or afterwards. Nothing is withdrawn."""
    LISTED = "listed"
    """The records that the export lacks are listed. They are withdrawn if somebody confirms it."""
    WITHDRAWN = "withdrawn"
    """The records that the export lacks are withdrawn."""


class ImportJob(Timestamped, Versioned, TenantModel):
    """One import: its counts, and the last line whose effects are committed."""

    __tablename__ = "import_job"

    source: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Digest of the input. Importing the same input again continues an interrupted import."""
    state: Mapped[ImportState] = mapped_column(String(10), server_default=ImportState.RUNNING)
    strict: Mapped[bool] = mapped_column(server_default=text("false"))
    next_part: Mapped[int] = mapped_column(server_default="0")
    """Position of the file to continue with, from 0."""
    next_line: Mapped[int] = mapped_column(server_default="0")
    """Number of lines of that file that are already committed."""
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    passed_over: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """Number of ignored resources by type."""
    error_count: Mapped[int] = mapped_column(server_default="0")
    refused_count: Mapped[int] = mapped_column(server_default="0")
    """Number of lines and records that were not imported. Other faults concern single values."""
    error_counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """Number of all faults by reason, those without a row in `import_fault` included."""
    error_groups: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """Number of all faults by code, and within a code by type of resource."""
    lease_until: Mapped[dt.datetime | None]
    """A process is running the import until then, unless it renews the lease or ends."""
    failure: Mapped[str | None] = mapped_column(String(500))
    """The line and reason, or the limit, that ended the import before the end of its input."""
    started_by: Mapped[str | None] = mapped_column(String(255))
    ended_at: Mapped[dt.datetime | None]
    completeness: Mapped[Completeness | None] = mapped_column(String(10))
    """Null if the import was not declared a full export."""
    missing: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """Number of records that a full export lacks, by type of resource."""

    __table_args__ = (
        Index("ix_import_job_tenant_id_fingerprint", "tenant_id", "fingerprint"),
        Index(
            "ix_import_job_tenant_id_source",
            "tenant_id",
            "source",
            postgresql_where=text("completeness = 'reading' OR completeness = 'listed'"),
        ),
        {"info": unaudited("Its batches are recorded, with what they write.")},
    )


SORTS = index_sorts(
    ImportJob, {"source": ignoring_case(ImportJob.source), "created_at": by(ImportJob.created_at)}
)

classify(
    ImportJob,
    {
        identifier("source"): "source",
        Held.DIGEST: "fingerprint",
        Held.TECHNICAL: "state strict completeness",
        Held.NUMBER: "next_part next_line error_count refused_count counts passed_over"
        " error_counts error_groups missing",
        Held.MOMENT: "lease_until ended_at",
        REMOVED: "failure started_by",
    },
    Copied.UNMASKED,
)
protect(
    ImportJob,
    {
        WORK: "failure",
    },
    SOURCES,
)
