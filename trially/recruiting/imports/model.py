"""Imports: what was brought in, how far it came, what was wrong with it."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.model import TenantModel, Timestamped, Versioned


class ImportState(StrEnum):
    """How an import stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ImportJob(Timestamped, Versioned, TenantModel):
    """One import: what it read, and the last line whose effects are committed."""

    __tablename__ = "import_job"

    source: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Digest of what was handed in; the same again continues an import that was cut off."""
    state: Mapped[ImportState] = mapped_column(String(10), server_default=ImportState.RUNNING)
    strict: Mapped[bool] = mapped_column(server_default=text("false"))
    next_part: Mapped[int] = mapped_column(server_default="0")
    next_line: Mapped[int] = mapped_column(server_default="0")
    """Lines of the part `next_part` that are done with."""
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    passed_over: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    error_count: Mapped[int] = mapped_column(server_default="0")
    failure: Mapped[str | None] = mapped_column(String(500))
    started_by: Mapped[str | None] = mapped_column(String(255))
    ended_at: Mapped[dt.datetime | None]

    __table_args__ = (Index("ix_import_job_tenant_id_fingerprint", "tenant_id", "fingerprint"),)


class ImportFault(TenantModel):
    """A line that could not be imported, and why. Never its content."""

    __tablename__ = "import_fault"

    import_id: Mapped[UUID]
    file: Mapped[str] = mapped_column(String(1000))
    line: Mapped[int]
    reason: Mapped[str] = mapped_column(String(500))
    pointer: Mapped[str | None] = mapped_column(String(200))
    """Where in the resource: a JSON pointer (RFC 6901)."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["import_job.tenant_id", "import_job.id"],
            ondelete="CASCADE",
        ),
        Index("ix_import_fault_tenant_id_import_id", "tenant_id", "import_id", "id"),
    )


class ImportDeferral(TenantModel):
    """A fact that came before the patient it is about, to be taken up at the end."""

    __tablename__ = "import_deferral"

    import_id: Mapped[UUID]
    file: Mapped[str] = mapped_column(String(1000))
    line: Mapped[int]
    resource: Mapped[dict[str, Any]]
    """Its type, its rows and their digest: not the resource itself, which says much more."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["import_job.tenant_id", "import_job.id"],
            ondelete="CASCADE",
        ),
        Index("ix_import_deferral_tenant_id_import_id", "tenant_id", "import_id", "id"),
    )


class Medication(TenantModel):
    """What a Medication resource is, for records that only refer to it."""

    __tablename__ = "medication"

    source: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(64))
    code_system: Mapped[str | None] = mapped_column(String(255))
    code: Mapped[str | None] = mapped_column(String(128))
    display: Mapped[str | None] = mapped_column(String(1000))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (UniqueConstraint("tenant_id", "source", "source_id"),)
