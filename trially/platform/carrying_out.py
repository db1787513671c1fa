"""Carry out a claimed task in this process, for the operator who has asked for it."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from flask import Flask, current_app
from sqlalchemy import select

from trially.auth.platform.callers import read_caller
from trially.errors import OperatorError
from trially.platform.kinds import KINDS, Kind, Outcome, Task
from trially.platform.reporting import Report
from trially.platform.work import (  # noqa: F401  they register kinds
    advice,
    moves,
    operations,
    plans,
    tenants,
    upkeep,
)
from trially.platform.work.operations import refuse_undone
from trially.tenancy import operation_commands  # noqa: F401  registers all kinds of operations
from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.operations import UNFINISHED, run_operation
from trially.tenancy.operators.persons import Person, name_of_operator
from trially.tenancy.operators.recording import Action, recorded
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.tasks.asking import target_of
from trially.tenancy.tasks.claiming import Claim, LeaseLostError, end_task, renew_lease
from trially.tenancy.tasks.model import PlatformTask, TaskState
from trially.terminal.errors import code_of

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0


class NotPermittedError(OperatorError):
    """Who has asked for the task is no operator any more, or has another role."""


class UnknownKindError(OperatorError):
    """This version knows no task of this kind."""


def carry_out(claim: Claim, interrupt: Callable[[], None]) -> TaskState:
    """Carry out a claimed task, record its end, and return its state.

    `interrupt` raises `KeyboardInterrupt` in this thread. A thread calls it when the task is
    cancelled, or another worker has taken it over.
    """
    with catalog_transaction() as session:
        stored = session.get_one(PlatformTask, claim.task_id)
    is_ending = Event()
    try:
        kind = _permitted(stored)
        with recorded(_action(stored)), _heart(claim, interrupt, is_ending) as report:
            outcome = _run(kind, Task(stored.id, stored.tenant_id, stored.parameters), report)
    except OperatorError as error:
        failure = {"code": code_of(error), "detail": str(error)}
        end_task(claim, TaskState.FAILED, error=failure)
        return TaskState.FAILED
    except KeyboardInterrupt:
        if not is_ending.is_set():
            raise
        end_task(claim, TaskState.CANCELLED)
        return TaskState.CANCELLED
    except Exception as error:  # noqa: BLE001  its message may quote a row
        reason = describe_failure(error)
        log.warning("The task %s failed: %s", claim.task_id, reason)
        end_task(claim, TaskState.FAILED, error={"code": "internal_error", "detail": reason})
        return TaskState.FAILED
    end_task(claim, TaskState.DONE, result=outcome.result, tenant_id=outcome.tenant_id)
    return TaskState.DONE


def _permitted(stored: PlatformTask) -> Kind:
    """Return the kind of a task, if who has asked for it may still do so."""
    kind = KINDS.get(stored.kind)
    if kind is None:
        raise UnknownKindError(f"This version of the worker knows no task {stored.kind}.")
    caller = read_caller(stored.issuer, stored.subject)
    if caller is None or kind.permission not in caller.permissions:
        raise NotPermittedError(
            f"The operator who has asked for it has not the permission {kind.permission} any more."
        )
    return kind


def _action(stored: PlatformTask) -> Action:
    person = Person(name_of_operator(stored.issuer, stored.subject), socket.gethostname())
    return Action(
        f"platform {stored.kind}",
        target=target_of(stored.tenant_slug, stored.parameters),
        reason=stored.parameters.get("reason"),
        details={
            "task": str(stored.id),
            "issuer": stored.issuer,
            "subject": stored.subject,
            "parameters": stored.parameters,
        },
        person=person,
        task_id=stored.id,
    )


def _run(kind: Kind, task: Task, report: Report) -> Outcome:
    """Carry out a task. What an attempt before has begun is finished, and not begun again."""
    begun = _begun_by(task)
    for each in begun:
        if each.state in UNFINISHED:
            report.say("resume")
            run_operation(each.id)
            directory().forget(each.tenant_id)
    if kind.outcome_of is None or not begun:
        return kind.carry_out(task, report)
    newest = _begun_by(task)[-1]
    refuse_undone(newest)
    return kind.outcome_of(newest)


def _begun_by(task: Task) -> list[Operation]:
    with catalog_transaction() as session:
        return list(
            session.scalars(
                select(Operation).where(Operation.task_id == task.id).order_by(Operation.id)
            )
        )


@contextmanager
def _heart(claim: Claim, interrupt: Callable[[], None], is_ending: Event) -> Iterator[Report]:
    """Renew the lease while the block runs, and record what it reports."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    report, has_ended = Report(), Event()

    def beat() -> None:
        while not has_ended.wait(BEAT_SECONDS):
            if _must_end(app, claim, report) and not is_ending.is_set():
                is_ending.set()
                interrupt()

    thread = Thread(target=beat, name="heart", daemon=True)
    thread.start()
    try:
        yield report
    finally:
        has_ended.set()
        thread.join()


def _must_end(app: Flask, claim: Claim, report: Report) -> bool:
    """Renew the lease, and return whether the task is cancelled, or no longer this process's."""
    try:
        with app.app_context():
            return renew_lease(claim, report.take())
    except LeaseLostError:
        return True
    except Exception as error:  # noqa: BLE001  the catalog may answer the next time
        log.warning("A lease was not renewed: %s", describe_failure(error))
        return False
