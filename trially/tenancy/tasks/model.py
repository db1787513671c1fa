"""The tables of tasks, in the catalog. They hold no PHI."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from trially.database.model import CatalogModel


class TaskState(StrEnum):
    """Whether a task waits, is carried out, is done, could not be done, or was cancelled."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = (TaskState.QUEUED, TaskState.RUNNING)


class PlatformTask(CatalogModel):
    """What an operator has asked for. Requests insert it, and a worker writes the rest."""

    __tablename__ = "platform_task"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(40))
    tenant_id: Mapped[UUID | None] = mapped_column(index=True)
    """The tenant that it is about, unless it is about many, or creates one."""

    tenant_slug: Mapped[str | None] = mapped_column(String(40))
    """The tenant's slug at the time, or that of the tenant to create."""

    parameters: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    request: Mapped[str] = mapped_column(String(300))
    """Method and path of the request."""

    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_digest: Mapped[str] = mapped_column(String(64))
    state: Mapped[TaskState] = mapped_column(String(20), server_default=TaskState.QUEUED)
    attempts: Mapped[int] = mapped_column(server_default="0")
    """How many processes have begun to carry it out. Only the newest may write the result."""

    leased_until: Mapped[dt.datetime | None]
    """While it is running: when another worker may take it over."""

    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """A code, and a sentence for operators."""

    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]

    __table_args__ = (
        Index(
            "uq_platform_task_idempotency_key",
            *("issuer", "subject", "request", "idempotency_key"),
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index(
            "ix_platform_task_unfinished",
            "id",
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
    )


class TaskCancellation(CatalogModel):
    """That an operator wants a task to end. Requests insert it."""

    __tablename__ = "platform_task_cancellation"

    task_id: Mapped[UUID] = mapped_column(
        ForeignKey("platform_task.id", ondelete="CASCADE"), primary_key=True
    )
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    asked_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
