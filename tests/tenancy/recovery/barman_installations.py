"""Run Barman against the server of the tests, in a folder of its own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from standbys import wait_until
from tenant_databases import access_of, ask

from trially.embedded_postgres.cluster import find_binaries

RECEIVERS = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"
MISSING = "Barman needs rsync. Install it as root: `apt-get install rsync`."
SERVER = "main"

CONFIGURATION = """
[barman]
barman_user = {user}
barman_home = {folder}
log_file = {folder}/barman.log
configuration_files_directory = {folder}/servers

[{server}]
description = The server of the tests
conninfo = {connection} dbname=postgres
streaming_conninfo = {connection}
backup_method = postgres
streaming_archiver = on
slot_name = barman
create_slot = auto
path_prefix = {programs}
"""


@dataclass(frozen=True)
class BarmanInstallation:
    """A configuration of Barman, whose process receives the WAL of the tests' server."""

    folder: Path

    @property
    def command(self) -> str:
        """The value of TRIALLY_BARMAN."""
        return f"{Path(sys.executable).parent / 'barman'} -c {self.folder / 'barman.conf'}"

    def run(self, *arguments: str) -> str:
        """Run a command of Barman, and return what it prints."""
        done = subprocess.run(
            [*self.command.split(), *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def running_barman(app: Flask, folder: Path) -> Iterator[BarmanInstallation]:
    """Let Barman receive the WAL of the tests' server during the block."""
    if shutil.which("rsync") is None:
        pytest.skip(MISSING)
    url = access_of(app).administrator_url()
    query = url.query
    passwords = folder / "passwords"
    passwords.write_text(f"*:*:*:*:{url.password}\n")
    passwords.chmod(0o600)
    connection = f"host={query['host']} port={query['port']} user={url.username}"
    (folder / "barman.conf").write_text(
        CONFIGURATION.format(
            user=Path(folder).owner(),
            folder=folder,
            server=SERVER,
            connection=f"{connection} passfile={passwords}",
            programs=find_binaries(),
        )
    )
    installation = BarmanInstallation(folder)
    installation.run("receive-wal", "--create-slot", SERVER)
    with (folder / "receiver.log").open("wb") as log:
        receiver = subprocess.Popen(
            [*installation.command.split(), "receive-wal", SERVER],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: bool(ask(app, RECEIVERS)))
        yield installation
    finally:
        os.killpg(receiver.pid, signal.SIGTERM)
        receiver.wait(60)
        wait_until(lambda: not ask(app, RECEIVERS))
        installation.run("receive-wal", "--drop-slot", SERVER)
