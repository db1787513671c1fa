"""Record what operators do: before it begins, and with its result.

The start is committed before the action, so an action that cannot be recorded does not happen. A
start without an end is an action that is running, or whose process died.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import click
from flask import Flask
from psycopg2 import errors
from sqlalchemy import Connection, event, insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from trially.database.session import db
from trially.errors import OperatorError
from trially.state import app_state
from trially.tenancy.catalog_sessions import CONTROL_BIND, control_engine
from trially.tenancy.operators.model import OperatorAction, Outcome, Stage
from trially.tenancy.operators.persons import Person, current_person
from trially.tenancy.recorded_keys import WrongSecretKeyError

log = logging.getLogger(__name__)

NO_DATABASE = "3D000"


class ResultNotRecordedError(OperatorError):
    """An action was done, but the catalog did not take the record of its result."""


@dataclass
class Action:
    """What an operator does."""

    action: str
    target: str | None = None
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    may_lack_log: bool = False
    """The action may create the catalog, or migrate one that has no log yet."""

    person: Person = field(default_factory=current_person)
    """Who acts: the person who runs a command, or the operator who has asked for a task."""

    task_id: UUID | None = None
    """The task of the platform API that is carried out."""

    id: UUID = field(default_factory=uuid7)
    is_recorded: bool = False
    app: Flask | None = None
    """The app whose catalog has the log; None for the current one."""

    def continue_in(self, app: Flask) -> None:
        """Record start and end in another app's catalog, because this one's has been deleted."""
        self.app, self.is_recorded = app, False

    def record_start(self) -> None:
        """Commit the record of the start, unless the log may be missing and is."""
        self.is_recorded = self._write(Stage.STARTED, id=self.id, details=self.details)

    def record_end(self, outcome: Outcome, details: Mapping[str, Any]) -> None:
        """Commit the record of the end.

        An action that created the log, or replaced the catalog, has its start recorded now.
        """
        if not self.is_recorded:
            self.record_start()
        if self.is_recorded:
            self._write(Stage.FINISHED, started=self.id, outcome=outcome, details=details)

    def _entered(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.app is None else self.app.app_context()

    def _write(self, stage: Stage, **values: Any) -> bool:
        row = {
            "stage": stage,
            "action": self.action,
            "actor": self.person.name,
            "host": self.person.host,
            "target": self.target,
            "reason": self.reason,
            **values,
        }
        try:
            with self._entered(), control_engine().begin() as catalog:
                catalog.execute(insert(OperatorAction).values(_storable(row)).inline())
        except WrongSecretKeyError:
            # A lost key is replaced first. Every other command refuses to run.
            if self.may_lack_log:
                return False
            raise
        except DBAPIError as error:
            if self.may_lack_log and _has_no_log(error):
                return False
            raise
        return True


def note(
    catalog: Connection | Session,
    action: str,
    *,
    target: str | None,
    tenant_id: UUID | None = None,
    details: Mapping[str, Any],
) -> None:
    """Add the record of one change to a transaction of the catalog."""
    person, running = acting_person(), app_state().running_action
    row = {
        "stage": Stage.NOTED,
        "started": running.id if running is not None and running.is_recorded else None,
        "action": action,
        "actor": person.name,
        "host": person.host,
        "target": target,
        "tenant_id": tenant_id,
        "details": details,
    }
    catalog.execute(insert(OperatorAction).values(row).inline())


def acting_person() -> Person:
    """Return who acts: the operator whose task is carried out, or the person at the command."""
    running = app_state().running_action
    return current_person() if running is None else running.person


@contextmanager
def recorded(action: Action) -> Iterator[None]:
    """Record an action around the block that does it.

    Raises `ResultNotRecordedError` if it was done and its result cannot be recorded.
    """
    state = app_state()
    action.record_start()
    state.running_action, outer = action, state.running_action
    try:
        yield
    except BaseException as error:
        _record_failure(action, error)
        raise
    finally:
        state.running_action = outer
    try:
        action.record_end(Outcome.DONE, {})
    except DBAPIError as error:
        raise ResultNotRecordedError(
            f"The command was done, but the catalog did not record its result"
            f" ({type(error.orig).__name__}). `flask audit operators` shows it as unfinished."
        ) from error


def init_app(app: Flask) -> None:
    """Let each transaction of a command in the catalog know the action that it belongs to."""
    with app.app_context():
        event.listen(db.engines[CONTROL_BIND], "begin", _announce)


def _announce(catalog: Connection) -> None:
    """Tell the triggers who acts. A command that only reads gets a transaction that only reads."""
    state = app_state()
    if state.only_reads:
        catalog.exec_driver_sql("SET TRANSACTION READ ONLY")
    action = state.running_action
    if action is not None:
        catalog.execute(
            text(
                "SELECT set_config('trially.action', :id, true),"
                " set_config('trially.actor', :actor, true),"
                " set_config('trially.task', :task, true)"
            ),
            {
                "id": str(action.id) if action.is_recorded else "",
                "actor": action.person.name,
                "task": "" if action.task_id is None else str(action.task_id),
            },
        )


def _record_failure(action: Action, error: BaseException) -> None:
    outcome, details = _describe(error)
    try:
        action.record_end(outcome, details)
    except Exception:
        log.exception("The catalog did not record the result of %s.", action.action)


def _describe(error: BaseException) -> tuple[Outcome, dict[str, Any]]:
    """Return the outcome, and the error without what may be PHI: only operators' errors are told.

    Messages of other errors may quote a row.
    """
    if isinstance(error, click.exceptions.Exit | SystemExit):
        status = error.exit_code if isinstance(error, click.exceptions.Exit) else error.code
        return (Outcome.FAILED, {"exit_status": status}) if status else (Outcome.DONE, {})
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return Outcome.ABORTED, {}
    if isinstance(error, OperatorError):
        return Outcome.FAILED, {"error": type(error).__name__, "message": str(error)}
    if isinstance(error, click.ClickException):
        return Outcome.FAILED, {"error": type(error).__name__, "message": error.format_message()}
    return Outcome.FAILED, {"error": type(error).__name__}


def _storable(value: Any) -> Any:
    """Return a value without NUL characters, which PostgreSQL does not store."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, Mapping):
        return {_storable(name): _storable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(inner) for inner in value]
    return value


def _has_no_log(error: DBAPIError) -> bool:
    """Return whether the catalog does not exist yet, or is older than its log."""
    if isinstance(error.orig, errors.UndefinedTable | errors.InvalidCatalogName):
        return True
    return getattr(error.orig, "pgcode", None) == NO_DATABASE
