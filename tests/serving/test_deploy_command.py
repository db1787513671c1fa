"""`flask deploy` migrates, replaces the workers, and waits until the new ones serve."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from servers import serve, wait_until
from test_restarts import clients

from trially import deploying
from trially.tenancy.migrating.migration_failures import FleetMigrationError

RunCommand = Callable[..., Any]

OPTION = ("--despite-failed-tenants",)


@pytest.fixture
def run_command(own_app: Flask) -> RunCommand:
    """Run a `flask` command in an installation of its own, which has no tenants of other tests."""

    def run(*arguments: str | Path) -> Any:
        return own_app.test_cli_runner().invoke(args=[str(argument) for argument in arguments])

    return run


def test_all_workers_are_replaced(run_command: RunCommand, tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    with serve(tmp_path, "--workers", "2", WEB_PIDFILE=str(pidfile)) as server:
        before = set(server.workers())
        result = run_command("deploy", "--pidfile", pidfile, "--dry-run", "--json")
        assert json.loads(result.stdout) == {"pid": server.process.pid, "state": "running"}
        assert set(server.workers()) == before
        with clients(server):
            result = run_command("deploy", "--pidfile", pidfile)
        assert result.exit_code == 0, result.output
        assert "all workers were replaced within" in result.stdout
        wait_until(lambda: not before & set(server.workers()), server)
        result = run_command("deploy", "--pidfile", pidfile, "--json")
        assert json.loads(result.stdout)["state"] == "replaced"


def test_workers_that_do_not_start_are_reported(run_command: RunCommand, tmp_path: Path) -> None:
    pidfile, module = tmp_path / "pid", tmp_path / "released.py"
    module.write_text("from plain_app import app\n")
    with serve(tmp_path, app="released:app", WEB_PIDFILE=str(pidfile)) as server:
        before = server.workers()
        module.write_text("import nothing_like_this\n")
        with clients(server):
            result = run_command("deploy", "--pidfile", pidfile)
        assert result.exit_code == 1
        assert "A new worker could not start, so the old ones serve on." in result.stderr
        assert server.workers() == before


def test_a_server_that_does_not_run_is_reported_first(
    run_command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def migrate(**_options: str) -> None:
        pytest.fail("The databases were migrated.")

    monkeypatch.setattr("trially.deploying.upgrade", migrate)
    monkeypatch.setattr("trially.deploying.upgrade_tenants", migrate)
    pidfile = tmp_path / "pid"
    for content in (None, "", "nothing", "999999999"):
        if content is not None:
            pidfile.write_text(content)
        result = run_command("deploy", "--pidfile", pidfile)
        assert result.exit_code == 1
        assert f"No server runs with the pidfile {pidfile}." in result.stderr
    assert run_command("deploy").exit_code == 2


def test_a_server_that_ends_or_hangs_is_reported(run_command: RunCommand, tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    with serve(tmp_path, WEB_PIDFILE=str(pidfile)) as server:
        server.send_signal(signal.SIGSTOP)
        result = run_command("deploy", "--pidfile", pidfile, "--timeout", "1")
        assert result.exit_code == 1
        assert "has not replaced its workers within 1 seconds" in result.stderr
        server.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(("options", "is_replaced"), [((), False), (OPTION, True)])
def test_workers_are_replaced_despite_failed_tenants_on_request_only(
    run_command: RunCommand,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    is_replaced: bool,
) -> None:
    def migrate() -> None:
        raise FleetMigrationError("the tenant acme failed")

    replaced: list[int] = []
    monkeypatch.setattr(deploying, "upgrade_tenants", migrate)
    monkeypatch.setattr(deploying, "find_server", lambda _pidfile: 7)
    monkeypatch.setattr(deploying, "replace_workers", lambda pid, *_rest: replaced.append(pid))

    result = run_command("deploy", "--pidfile", "pid", *options)

    assert (result.exit_code == 0) is is_replaced
    assert replaced == [7] * is_replaced
    assert "the tenant acme failed" in result.stderr
