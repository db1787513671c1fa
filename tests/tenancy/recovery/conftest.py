"""Fixtures of restores to a point in time: Barman, which receives the WAL of the tests' server."""

import datetime as dt
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from barman_installations import BarmanInstallation, barman_of
from flask import Flask
from standbys import wait_until

from benchmarks.barman import SERVER
from trially.state import state_of
from trially.tenancy.recovery.tools import tool_of
from trially.tenancy.recovery.wal_streams import take_base_backup
from trially.tenancy.servers.access import FIRST_SERVER, server_access
from trially.tenancy.servers.registering import ServerOptions, change_server, get_server


@pytest.fixture(scope="module")
def barman(app: Flask) -> Iterator[BarmanInstallation]:
    """Barman with a base backup of the server of the tests, usable from now on."""
    with (
        tempfile.TemporaryDirectory(prefix="trially-barman-") as folder,
        barman_of(app, Path(folder)) as running,
    ):
        state = state_of(app)
        former = state.settings
        state.settings = replace(state.settings, barman=running.command)
        with app.app_context():
            change_server(FIRST_SERVER, ServerOptions(backup=f"barman:{SERVER}"))
            taken = take_base_backup(server_access(), tool_of(get_server(FIRST_SERVER)))
        wait_until(lambda: dt.datetime.now(dt.UTC) >= taken.usable_from)
        yield running
        with app.app_context():
            change_server(FIRST_SERVER, ServerOptions(backup=""))
        state.settings = former
