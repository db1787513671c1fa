"""`flask deploy`: migrate all databases, replace the server's workers, wait until they serve."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask_migrate import upgrade

from serving.rolling import status_path
from trially.errors import OperatorError
from trially.tenancy.migrating.fleet_migrations import upgrade_tenants
from trially.tenancy.migrating.migration_failures import FleetMigrationError
from trially.tenancy.schema.lineages import CATALOG_LINEAGE
from trially.tenancy.schema.migration_commands import init_migrations
from trially.terminal import NOTHING, command, json_option, print_item

POLL_SECONDS = 0.1


@command("deploy", loses=NOTHING)
@click.option(
    "--pidfile",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="WEB_PIDFILE",
    required=True,
    help="The pidfile of the running server. The default is WEB_PIDFILE, as for the server.",
)
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=1),
    default=600,
    show_default=True,
    help="Seconds to wait until all workers are replaced.",
)
@click.option(
    "--despite-failed-tenants",
    "may_fail",
    is_flag=True,
    help="Replace the workers also if migrations of some tenants failed.",
)
@click.option("--dry-run", is_flag=True, help="Only check that the server runs.")
@json_option
def deploy(pidfile: Path, seconds: float, *, may_fail: bool, dry_run: bool, as_json: bool) -> None:
    """Migrate all databases, replace the workers, and wait until the new ones serve.

    Run it in the new release. The old workers serve meanwhile. If a migration fails, no worker is
    replaced, unless --despite-failed-tenants is passed and it is a tenant's. If a new worker does
    not become ready, the old ones go on, and the exit status is 1.
    """
    process_id = find_server(pidfile)
    if dry_run:
        print_item(
            {"pid": process_id, "state": "running"},
            f"The server with the process id {process_id} would get new workers, after"
            " the migrations of the catalog and of all tenants.",
            as_json=as_json,
        )
        return
    init_migrations(current_app)
    upgrade(directory=str(CATALOG_LINEAGE))
    try:
        upgrade_tenants()
    except FleetMigrationError as error:
        if not may_fail:
            raise
        click.echo(f"Warning: {error}", err=True)
    began = time.monotonic()
    replace_workers(process_id, pidfile, seconds)
    took = round(time.monotonic() - began, 1)
    print_item(
        {"pid": process_id, "state": "replaced", "seconds": took},
        f"The databases are migrated, and all workers were replaced within {took} seconds.",
        as_json=as_json,
    )


def find_server(pidfile: Path) -> int:
    """Return the process id of the server that wrote a pidfile. Raises `OperatorError`."""
    try:
        process_id = int(pidfile.read_text())
        os.kill(process_id, 0)
    except (OSError, ValueError):
        raise OperatorError(
            f"No server runs with the pidfile {pidfile}. Start it with"
            f" `WEB_PIDFILE={pidfile} gunicorn -c deploy/gunicorn.conf.py wsgi:app`."
        ) from None
    return process_id


def replace_workers(process_id: int, pidfile: Path, seconds: float) -> None:
    """Send SIGHUP, and wait until all workers are replaced. Raises `OperatorError`."""
    before = _read_reload(process_id, pidfile)
    os.kill(process_id, signal.SIGHUP)
    _wait_until(lambda: _read_reload(process_id, pidfile)["reload"] > before["reload"], seconds)
    _wait_until(lambda: _read_reload(process_id, pidfile)["state"] != "running", seconds)
    if _read_reload(process_id, pidfile)["state"] != "done":
        raise OperatorError(
            "A new worker could not start, so the old ones serve on. The databases are migrated."
            " The server's log says why; then run `flask deploy` again."
        )


def _wait_until(is_so: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise OperatorError(
                f"The server has not replaced its workers within {seconds:g} seconds. See its log,"
                " and check that it was started with deploy/gunicorn.conf.py."
            )
        time.sleep(POLL_SECONDS)


def _read_reload(process_id: int, pidfile: Path) -> dict[str, Any]:
    """Return the number and the state of the server's last reload."""
    try:
        read: dict[str, Any] = json.loads(status_path(pidfile).read_text())
    except (OSError, ValueError):
        read = {}
    find_server(pidfile)
    if read.get("pid") != process_id:
        return {"reload": 0, "state": "none"}
    return read
