"""Run Barman against a server of this machine, in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL

from trially.database.connecting import connect
from trially.embedded_postgres.cluster import find_binaries
from trially.tenancy.servers.connections import execute

SERVER = "main"
"""The server's name in Barman's configuration."""

START_SECONDS = 60.0

CONFIGURATION = """
[barman]
barman_user = {user}
barman_home = {folder}
log_file = {folder}/barman.log
configuration_files_directory = {folder}/servers

[{server}]
description = A server of this machine
conninfo = {connection} dbname=postgres
streaming_conninfo = {connection}
backup_method = postgres
streaming_archiver = on
slot_name = barman
create_slot = auto
retention_policy = RECOVERY WINDOW OF 14 DAYS
immediate_checkpoint = true
path_prefix = {programs}
"""

RECEIVERS = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"


@contextmanager
def running_barman(url: URL, folder: Path) -> Iterator[str]:
    """Let Barman receive a server's WAL during the block, and yield Barman's command."""
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    passwords.write_text(f"*:*:*:*:{url.password}\n")
    host, port = url.query["host"], url.query["port"]
    connection = f"host={host} port={port} user={url.username} passfile={passwords}"
    (folder / "barman.conf").write_text(
        CONFIGURATION.format(
            user=folder.owner(),
            folder=folder,
            server=SERVER,
            connection=connection,
            programs=find_binaries(),
        )
    )
    command = f"{Path(sys.executable).parent / 'barman'} -c {folder / 'barman.conf'}"
    run_barman(command, "receive-wal", "--create-slot", SERVER)
    with (folder / "receiver.log").open("wb") as log:
        receiver = subprocess.Popen(
            [*command.split(), "receive-wal", SERVER],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_streaming(url)
        yield command
    finally:
        with suppress(ProcessLookupError):
            os.killpg(receiver.pid, signal.SIGTERM)
        receiver.wait(START_SECONDS)


def run_barman(command: str, *arguments: str) -> str:
    """Run a command of Barman, and return what it prints."""
    done = subprocess.run(
        [*command.split(), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _wait_until_streaming(url: URL) -> None:
    deadline = time.monotonic() + START_SECONDS
    with closing(connect(url)) as raw:
        while not execute(raw, RECEIVERS):
            assert time.monotonic() < deadline, "Barman does not receive WAL."
            time.sleep(0.1)
