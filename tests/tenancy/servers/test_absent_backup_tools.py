"""Without a tool, commands say so plainly, and what to install."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from trially.state import state_of
from trially.tenancy.recovery.errors import BackupToolError, NoBackupError, RecoveryError
from trially.tenancy.recovery.intervals import interval_of
from trially.tenancy.recovery.programs import programs_for
from trially.tenancy.recovery.tools import tool_of
from trially.tenancy.servers.access import FIRST_SERVER
from trially.tenancy.servers.registering import ServerOptions, change_server, get_server

Run = Callable[..., Any]


@contextmanager
def backed_up_by(app: Flask, tool: str) -> Iterator[None]:
    """Change the tool of the first server for a block. Other tests have one that works."""
    with app.app_context():
        former = get_server(FIRST_SERVER).backup or ""
        change_server(FIRST_SERVER, ServerOptions(backup=tool))
    yield
    with app.app_context():
        change_server(FIRST_SERVER, ServerOptions(backup=former))


@pytest.fixture
def without_barman(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The first server is backed up by a Barman that is not installed."""
    state = state_of(app)
    monkeypatch.setattr(state, "settings", replace(state.settings, barman="/nowhere/barman"))
    with backed_up_by(app, "barman:main"):
        yield


@pytest.fixture
def without_backups(app: Flask) -> Iterator[None]:
    """The first server has no backup tool, whatever other tests have set."""
    with backed_up_by(app, ""):
        yield


def test_a_server_without_backups_says_so(
    app: Flask, without_backups: None, tenant: Any, run_command: Run
) -> None:
    with app.app_context():
        assert "nothing can be restored" in interval_of(get_server(FIRST_SERVER)).problems[0]
        with pytest.raises(NoBackupError, match="servers change default --backup"):
            tool_of(get_server(FIRST_SERVER))
    assert "no archived WAL" in run_command("servers", "status").output
    refused = run_command("servers", "backup", FIRST_SERVER)
    assert refused.exit_code != 0
    assert "no base backups" in refused.output


def test_an_absent_barman_is_named(app: Flask, without_barman: None, run_command: Run) -> None:
    with app.app_context(), pytest.raises(BackupToolError, match="TRIALLY_BARMAN"):
        tool_of(get_server(FIRST_SERVER)).base_backups()

    assert "is not installed" in run_command("servers", "status").output
    assert "is not installed" in run_command("servers", "backups", FIRST_SERVER).output


def test_absent_programs_of_postgres_are_named(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("11\n")

    with app.app_context(), pytest.raises(RecoveryError, match="apt-get install postgresql-11"):
        programs_for(tmp_path)


@pytest.mark.parametrize("text", ["barman", "pgbackrest:main", "barman:", "barman:a b"])
def test_a_backup_is_a_tool_and_a_name(run_command: Run, text: str) -> None:
    result = run_command("servers", "change", FIRST_SERVER, "--backup", text, "--yes")

    assert result.exit_code != 0
    assert "barman:NAME" in result.output
