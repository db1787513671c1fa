"""Delete the embedded PostgreSQL with all its tenants, and create the demo tenants again."""

import shutil
import time
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

STOP_SECONDS = 20.0
POLL_SECONDS = 0.05


class NotResettableError(OperatorError):
    """The installation's server is not the demo's own, or is in use."""


def require_embedded_server() -> Path:
    """Return the directory of the embedded server, or raise `NotResettableError` without one."""
    settings = current_settings()
    if settings.database_url is not None:
        raise NotResettableError(
            "TRIALLY_DATABASE_URL names a server of your own, and only the embedded PostgreSQL is"
            " deleted. Drop the databases on your server yourself, then run `flask demo seed`."
        )
    return (settings.instance / EMBEDDED_DIRECTORY).resolve()


def reset(report: Report) -> dict[str, str]:
    """Delete the embedded server's data, start it empty, and create the demo tenants.

    Returns the reason of each failure, as `prepare` does. Raises `NotResettableError`, or
    `OccupiedError` while the demo is served.
    """
    settings, directory = current_settings(), require_embedded_server()
    with resetting(settings.instance):
        report("Stopping the embedded PostgreSQL and deleting its data …")
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


def _delete_server(directory: Path) -> None:
    # The watcher stops the server when no process uses it.
    stop_using(directory)
    deadline = time.monotonic() + STOP_SECONDS
    while is_running(directory) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    removed = directory.with_name(f"{directory.name}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    with locked(directory / "start.lock"):
        if is_running(directory):
            raise NotResettableError(
                "Another process still uses the embedded PostgreSQL. Stop it, then try again."
            )
        # Renamed first, so that a kill half-way leaves no incomplete data directory.
        directory.rename(removed)
    shutil.rmtree(removed)
