"""The tables of jobs: a tenant's jobs with their uploaded files, and the catalog's wake-ups."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import REMOVED, Copied, Held, classify, identifier
from trially.database.model import CatalogModel, TenantModel, Timestamped, Versioned
from trially.database.protection import OF_MEMBERS, SEALED_ALREADY, WORK, protect


class JobState(StrEnum):
    """Whether a job waits, runs, or how it has ended."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It will not be tried again, unless an operator retries it."""
    CANCELLED = "cancelled"


UNFINISHED = (JobState.QUEUED, JobState.RUNNING)


class Job(Timestamped, Versioned, TenantModel):
    """Work that a member or an operator has asked for. No column may identify a patient."""

    __tablename__ = "job"

    kind: Mapped[str] = mapped_column(String(40))
    state: Mapped[JobState] = mapped_column(String(10), server_default=JobState.QUEUED)
    step: Mapped[str | None] = mapped_column(String(40))
    """The last completed step. NULL before the first."""

    position: Mapped[dict[str, Any] | None]
    """Where the step after that one continues, if it has committed a part of its work."""

    parameters: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None]
    """What the job has made, such as the id of an import."""

    progress_done: Mapped[int] = mapped_column(BigInteger, server_default="0")
    progress_total: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(String(500))
    """Why the last attempt failed."""

    attempts: Mapped[int] = mapped_column(server_default="0")
    """Attempts to run the present step."""

    due_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    """From when on a worker may take the job. Of a running job, this is the end of its lease."""

    lease_id: Mapped[UUID | None]
    """Identifies the worker's present attempt. Only it may write the job."""

    is_cancelled: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether someone has asked to cancel the job, which may still run."""

    started_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]
    member_id: Mapped[UUID | None]
    """The member who asked for the job; NULL for an operator."""

    issuer: Mapped[str | None] = mapped_column(String(255))
    subject: Mapped[str | None] = mapped_column(String(255))
    operator: Mapped[str | None] = mapped_column(String(255))
    """The operator who asked for the job; NULL for a member."""

    __table_args__ = (
        CheckConstraint(
            "state IN ({})".format(", ".join(f"'{state}'" for state in JobState)), name="state"
        ),
        Index(
            "ix_job_due",
            "tenant_id",
            "due_at",
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_job_running", "tenant_id", "due_at", postgresql_where=text("state = 'running'")),
        Index(
            "ix_job_ended", "tenant_id", "ended_at", postgresql_where=text("ended_at IS NOT NULL")
        ),
    )


class JobFilePart(TenantModel):
    """A part of the file that a job was sent with, or has made, encrypted.

    It is deleted when the job ends, or some hours later.
    """

    __tablename__ = "job_file_part"

    job_id: Mapped[UUID]
    number: Mapped[int]
    sealed: Mapped[bytes]

    __table_args__ = (
        UniqueConstraint("tenant_id", "job_id", "number"),
        ForeignKeyConstraint(
            ["tenant_id", "job_id"], ["job.tenant_id", "job.id"], ondelete="CASCADE"
        ),
        {"info": unaudited("It is the encrypted input of a job, whose steps record what they do.")},
    )


class JobWakeup(CatalogModel):
    """When a worker looks for jobs of a tenant again. It says nothing about the jobs' contents."""

    __tablename__ = "job_wakeup"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True
    )
    due_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    generation: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Counts the wake-ups."""

    seen_generation: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """The generation at the beginning of the last visit of a worker."""

    queued: Mapped[int] = mapped_column(server_default="0")
    """Jobs that waited when a worker last counted them."""

    running: Mapped[int] = mapped_column(server_default="0")
    oldest_at: Mapped[dt.datetime | None]
    """When the oldest of the waiting jobs became due."""

    __table_args__ = (Index("ix_job_wakeup_due_at", "due_at"),)


classify(
    Job,
    {
        Held.TECHNICAL: "kind state step is_cancelled",
        REMOVED: "position parameters result error",
        Held.NUMBER: "progress_done progress_total attempts",
        Held.MOMENT: "due_at started_at ended_at",
        Held.ID: "lease_id member_id",
        identifier("member"): "issuer subject operator",
    },
    Copied.NEVER,
)
protect(
    Job,
    {
        WORK: "parameters result error",
    },
    OF_MEMBERS,
)
classify(
    JobFilePart, {Held.ID: "job_id", Held.NUMBER: "number", Held.SECRET: "sealed"}, Copied.NEVER
)
protect(
    JobFilePart,
    {
        SEALED_ALREADY: "sealed",
    },
)
