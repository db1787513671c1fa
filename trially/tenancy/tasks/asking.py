"""Ask for a task, as a request to the platform API does: with the role that may only add it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as insert_unless
from uuid_utils.compat import uuid7

from trially.errors import OperatorError
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.operators.model import OperatorAction, Stage
from trially.tenancy.operators.persons import name_of_operator
from trially.tenancy.tasks.model import UNFINISHED, PlatformTask, TaskCancellation

MOST_UNFINISHED = 1000
"""Tasks of an installation that may wait or run at the same time."""


class TooManyTasksError(OperatorError):
    """As many tasks wait as may."""


@dataclass(frozen=True)
class Asked:
    """Who asks for something, and by which request."""

    issuer: str
    subject: str
    request: str
    """Method and path; the same key with another request is a different key."""

    key: str | None
    request_digest: str


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    kind: str
    parameters: Mapping[str, Any]
    tenant_id: UUID | None = None
    tenant_slug: str | None = None

    @property
    def target(self) -> str | None:
        """The name of what it is about, for the log."""
        return target_of(self.tenant_slug, self.parameters)


@dataclass(frozen=True)
class Earlier:
    """The task of an earlier request with the same key."""

    task_id: UUID
    request_digest: str


def target_of(slug: str | None, parameters: Mapping[str, Any]) -> str | None:
    """Return the name of what a task is about: a tenant, a server or a plan."""
    names = (slug, *(parameters.get(each) for each in ("server", "plan", "name")))
    return next((each for each in names if each is not None), None)


def ask_for(asked: Asked, wanted: Wanted) -> UUID | None:
    """Add a task, and its record in the operators' log; return its id.

    Returns None if another request with the same key has asked for it meanwhile. Raises
    `TooManyTasksError`.
    """
    row = {
        "id": uuid7(),
        **{name: getattr(asked, name) for name in ("issuer", "subject", "request")},
        "idempotency_key": asked.key,
        "request_digest": asked.request_digest,
        **vars(wanted),
    }
    statement = (
        insert_unless(PlatformTask)
        .values(row)
        .on_conflict_do_nothing(
            index_elements=["issuer", "subject", "request", "idempotency_key"],
            index_where=text("idempotency_key IS NOT NULL"),
        )
        .returning(PlatformTask.id)
    )
    unfinished = select(func.count()).where(PlatformTask.state.in_(UNFINISHED))
    with reader_engine().begin() as catalog:
        if (catalog.scalar(unfinished) or 0) >= MOST_UNFINISHED:
            raise TooManyTasksError(f"{MOST_UNFINISHED} operations wait or run already.")
        task_id = catalog.scalar(statement)
        if task_id is not None:
            details = {"task": str(task_id), "parameters": dict(wanted.parameters)}
            note = _noted(asked, f"ask for {wanted.kind}", wanted, details)
            catalog.execute(insert(OperatorAction).values(note).inline())
    return task_id


def find_asked(asked: Asked) -> Earlier | None:
    """Return the task of an earlier request with the same key, or None."""
    statement = select(PlatformTask.id, PlatformTask.request_digest).where(
        PlatformTask.issuer == asked.issuer,
        PlatformTask.subject == asked.subject,
        PlatformTask.request == asked.request,
        PlatformTask.idempotency_key == asked.key,
    )
    with reader_engine().connect() as catalog:
        row = catalog.execute(statement).first()
    return None if row is None else Earlier(row.id, row.request_digest)


def ask_to_cancel(asked: Asked, task_id: UUID) -> None:
    """Say that a task is to end. Repeating it changes nothing."""
    row = {"task_id": task_id, "issuer": asked.issuer, "subject": asked.subject}
    statement = insert_unless(TaskCancellation).values(row).on_conflict_do_nothing()
    with reader_engine().begin() as catalog:
        if catalog.scalar(statement.returning(TaskCancellation.task_id)) is not None:
            wanted = Wanted("cancellation", {})
            note = _noted(asked, "ask for cancellation", wanted, {"task": str(task_id)})
            catalog.execute(insert(OperatorAction).values(note).inline())


def _noted(asked: Asked, action: str, wanted: Wanted, details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stage": Stage.NOTED,
        "action": action,
        "actor": name_of_operator(asked.issuer, asked.subject),
        "target": wanted.target,
        "tenant_id": wanted.tenant_id,
        "details": {"issuer": asked.issuer, "subject": asked.subject, **details},
    }
