import os
import re
import subprocess
import sys
from threading import Event, Thread
from uuid import uuid4

import pytest
from sqlalchemy import update
from tenant_databases import ask

from trially.config import ROOT
from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_choices import OperationState
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle import operations, provisioning
from trially.tenancy.lifecycle.attempts import OperationBusyError, exclusive_connection
from trially.tenancy.lifecycle.operations import (
    NoOperationError,
    OperationDoneError,
    OperationKind,
    Step,
    run_new_operation,
    run_operation,
    undo_operation,
    unfinished_operations,
)


@pytest.fixture
def start_operation(app, monkeypatch):
    """Put an operation with these steps into the catalog."""

    def start(*steps, undo=lambda _session, _operation: None):
        kind = OperationKind(f"kind-{uuid4().hex[:8]}", steps, undo)
        monkeypatch.setitem(operations.KINDS, kind.name, kind)
        operation = Operation(
            tenant_id=uuid4(), tenant_slug="somebody", kind=kind.name, state=OperationState.RUNNING
        )
        with app.app_context(), catalog_transaction() as session:
            session.add(operation)
        made.append(operation.id)
        return operation.id

    made = []
    yield start
    with app.app_context(), catalog_transaction() as session:
        for operation_id in made:
            session.delete(session.get(Operation, operation_id))


def test_steps_are_done_in_order_and_once(app, start_operation):
    done = []
    steps = [Step(name, lambda _s, _o, name=name: done.append(name)) for name in "abc"]
    operation_id = start_operation(*steps)

    with app.app_context():
        ended = run_operation(operation_id)
        run_operation(operation_id)

    assert done == ["a", "b", "c"]
    assert (ended.state, ended.step, ended.error) == (OperationState.DONE, "c", None)


def test_a_step_that_joins_another_is_recorded_with_it(app, start_operation):
    recorded = []

    def look(_session, operation):
        recorded.append(operations.all_operations(1)[0].step)

    operation_id = start_operation(
        Step("a", look), Step("b", look, joins_previous=True), Step("c", look)
    )

    with app.app_context():
        assert run_operation(operation_id).state == OperationState.DONE

    assert recorded == [None, None, "b"]


def test_a_step_whose_follower_fails_is_rolled_back_with_it(app, start_operation):
    def rename(session, operation):
        session.execute(
            update(Operation).where(Operation.id == operation.id).values(tenant_slug="renamed")
        )

    def fail(_session, _operation):
        raise ValueError

    operation_id = start_operation(Step("a", rename), Step("b", fail, joins_previous=True))

    with app.app_context():
        with pytest.raises(ValueError):
            run_operation(operation_id)
        left = operations.all_operations(1)[0]

    assert (left.tenant_slug, left.step, left.error) == ("somebody", None, "b: ValueError")
    assert left.state == OperationState.UNDONE


def test_a_new_operation_is_locked_before_others_see_it(app, monkeypatch):
    def be_taken_up(_session, operation):
        with pytest.raises(OperationBusyError):
            run_operation(operation.id)

    def begin(session):
        session.add(new)
        return new

    kind = OperationKind("new", [Step("be_taken_up", be_taken_up)], lambda *_: None)
    monkeypatch.setitem(operations.KINDS, kind.name, kind)
    new = Operation(
        tenant_id=uuid4(), tenant_slug="new", kind="new", state=OperationState.RUNNING, attempts=0
    )

    with app.app_context():
        with exclusive_connection() as catalog:
            assert run_new_operation(catalog, begin).state == OperationState.DONE
        with catalog_transaction() as session:
            session.delete(session.get(Operation, new.id))


def test_an_operation_continues_after_the_last_recorded_step(app, start_operation):
    done = []
    steps = [Step(name, lambda _s, _o, name=name: done.append(name)) for name in "abc"]
    operation_id = start_operation(*steps)
    with app.app_context(), catalog_transaction() as session:
        session.get(Operation, operation_id).step = "b"

    with app.app_context():
        run_operation(operation_id)

    assert done == ["c"]


def test_two_processes_do_not_work_on_one_tenant(app, start_operation, run_command):
    begun, set_trace = Event(), Event()

    def wait(_session, _operation):
        begun.set()
        assert set_trace.wait(10)

    operation_id = start_operation(Step("wait", wait))

    def work():
        with app.app_context():
            run_operation(operation_id)

    thread = Thread(target=work)
    thread.start()
    assert begun.wait(10)
    try:
        with app.app_context():
            with pytest.raises(OperationBusyError):
                run_operation(operation_id)
            with pytest.raises(OperationBusyError):
                undo_operation(operation_id, "impatience")
        named = run_command("operations", "resume", str(operation_id))
        swept = run_command("operations", "resume")
    finally:
        set_trace.set()
        thread.join()

    assert (named.exit_code, named.output) == (
        1,
        (
            "Error: Another process is running an operation of the tenant 'somebody', or"
            " migrates its tables. Try again later.\n"
        ),
    )
    assert (swept.exit_code, swept.output) == (0, "No operation is interrupted.\n")
    with app.app_context():
        assert run_operation(operation_id).state == OperationState.DONE


def test_an_operation_that_is_done_is_not_undone(app, tenant, run_command):
    with app.app_context(), catalog_transaction() as session:
        operation_id = session.query(Operation).filter_by(tenant_id=tenant.id).one().id

    with app.app_context(), pytest.raises(OperationDoneError):
        undo_operation(operation_id, "a slip")
    result = run_command("operations", "resume", "--undo", str(operation_id))

    assert (result.exit_code, result.output) == (
        1,
        f"Error: The operation {operation_id} is done. Only unfinished operations can be undone.\n",
    )
    databases = ask(app, "SELECT 1 FROM pg_database WHERE datname = %s", tenant.placement.database)
    assert databases == [(1,)]


def test_a_running_operation_is_undone_by_command(app, start_operation, run_command):
    undone = []
    operation_id = start_operation(
        Step("never", lambda _s, _o: pytest.fail("It went on.")),
        undo=lambda _session, operation: undone.append(operation.id),
    )

    for _ in range(2):
        result = run_command("operations", "resume", "--undo", str(operation_id), "--json", "--yes")
        assert result.exit_code == 0
        assert '"state": "undone"' in result.output

    assert undone == [operation_id]
    with app.app_context():
        assert unfinished_operations() == []


def test_a_step_that_fails_records_no_message_of_the_error(app, start_operation):
    def fail(_session, _operation):
        raise ValueError("Jane Roe")

    operation_id = start_operation(Step("fail", fail))

    with app.app_context():
        with pytest.raises(ValueError, match="Jane"):
            run_operation(operation_id)
        assert operations.all_operations(1)[0].error == "fail: ValueError"


def test_the_lock_is_free_after_success_and_failure(app, start_operation):
    def fail(_session, _operation):
        raise ValueError

    with app.app_context():
        run_operation(start_operation(Step("a", lambda _s, _o: None)))
        with pytest.raises(ValueError):
            run_operation(start_operation(Step("fail", fail)))

    held = ask(
        app,
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    )
    assert held == [(0,)]


def test_an_unknown_operation_is_an_error(app):
    with app.app_context(), pytest.raises(NoOperationError):
        run_operation(uuid4())


def test_provisioning_is_a_kind_of_operation():
    assert operations.KINDS["provision"] is provisioning.PROVISION


def test_the_command_knows_every_kind_of_operation():
    """A process that only resumes has not imported what begins an operation."""
    found = (
        "from trially.tenancy import operation_commands as commands;"
        " from trially.tenancy.lifecycle import operations"
    )
    shown = "print(*sorted(operations.KINDS), *sorted(kind.name for kind in commands.ALL_KINDS))"
    names = subprocess.run(
        [sys.executable, "-c", f"{found}; {shown}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    defined = sorted(
        name
        for path in (ROOT / "trially").rglob("*.py")
        for name in re.findall(r'OperationKind\(\s*name="(\w+)"', path.read_text())
    )

    assert names == defined + defined
