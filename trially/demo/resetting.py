"""Delete the embedded PostgreSQL servers with all tenants, and create the demo tenants again."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from trially.config import current_settings
from trially.demo.occupation import resetting
from trially.demo.preparing import prepare
from trially.demo.seeding import Report
from trially.embedded_postgres.sharing import locked, stop_using
from trially.embedded_postgres.watcher import is_running
from trially.errors import OperatorError
from trially.state import app_state, state_of
from trially.tenancy.servers.administrator import EMBEDDED_DIRECTORY
from trially.tenancy.servers.local import local_directory, local_servers

STOP_SECONDS = 20.0
POLL_SECONDS = 0.05


class NotResettableError(OperatorError):
    """The installation's server is not the demo's own, or is in use."""


def embedded_directories() -> Sequence[Path]:
    """Return the directories of the embedded servers, that of the catalog first.

    Raises `NotResettableError` without one.
    """
    settings = current_settings()
    if settings.database_url is not None:
        raise NotResettableError(
            "TRIALLY_DATABASE_URL names a server of your own, and only the embedded PostgreSQL is"
            " deleted. Drop the databases on your server yourself, then run `flask demo seed`."
        )
    first = (settings.instance / EMBEDDED_DIRECTORY).resolve()
    return [first, *(local_directory(settings, name) for name in local_servers(settings))]


def reset(report: Report) -> dict[str, str]:
    """Delete the embedded servers, start an empty one, and create the demo tenants.

    Returns the reason of each failure, as `prepare` does. Raises `NotResettableError`, or
    `OccupiedError` while the demo is served.
    """
    settings, directories = current_settings(), embedded_directories()
    with resetting(settings.instance):
        report("Stopping the embedded PostgreSQL and deleting its data …")
        _stop_servers(directories)
        for directory in directories:
            _delete_server(directory)
        report("Starting an empty PostgreSQL …")
        app = app_state().make_app(settings)
        issuer = state_of(app).dev_issuer
        assert issuer is not None  # noqa: S101
        running = app_state().running_action
        if running is not None:
            running.continue_in(app)
        with app.app_context():
            return prepare(issuer, report)


def _stop_servers(directories: Sequence[Path]) -> None:
    """End this process's use of the servers: the watchers stop them if no other process uses them.

    Raises `NotResettableError` before any of them is deleted.
    """
    for directory in directories:
        stop_using(directory)
    deadline = time.monotonic() + STOP_SECONDS
    while any(map(is_running, directories)):
        if time.monotonic() > deadline:
            raise _in_use()
        time.sleep(POLL_SECONDS)


def _delete_server(directory: Path) -> None:
    removed = directory.with_name(f"{directory.name}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    with locked(directory / "start.lock"):
        if is_running(directory):
            raise _in_use()
        # Renamed first, so that a kill half-way leaves no incomplete data directory.
        directory.rename(removed)
    shutil.rmtree(removed)


def _in_use() -> NotResettableError:
    return NotResettableError(
        "Another process still uses the embedded PostgreSQL. Stop it, then try again."
    )
