"""Barman and the server of the tests."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from standbys import wait_until
from tenant_databases import access_of, ask

from benchmarks.barman import RECEIVERS, SERVER, run_barman, running_barman

MISSING = "Barman needs rsync. Install it as root: `apt-get install rsync`."


@dataclass(frozen=True)
class BarmanInstallation:
    """A configuration of Barman, whose process receives the WAL of the tests' server."""

    command: str
    """The value of TRIALLY_BARMAN."""


@contextmanager
def barman_of(app: Flask, folder: Path) -> Iterator[BarmanInstallation]:
    """Let Barman receive the WAL of the tests' server during the block."""
    if shutil.which("rsync") is None:
        pytest.skip(MISSING)
    with running_barman(access_of(app).administrator_url(), folder) as command:
        yield BarmanInstallation(command)
    wait_until(lambda: not ask(app, RECEIVERS))
    run_barman(command, "receive-wal", "--drop-slot", SERVER)
