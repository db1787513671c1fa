"""Wait until the server accepts connections, and explain why it does not."""

import os
import socket
import time
from pathlib import Path

from trially.embedded_postgres.watcher import (
    DATA,
    POLL_SECONDS,
    Postmaster,
    find_postmaster,
    is_running,
    stop_server,
)
from trially.errors import OperatorError

LOG = "server.log"
PORT = "5432"
"""Part of the socket's name only; the server does not listen on TCP."""

START_TIMEOUT_SECONDS = 120.0
LOG_TAIL_LINES = 20


class EmbeddedServerError(OperatorError):
    """The embedded PostgreSQL cannot be started or used; the message has the reason."""


def wait_until_ready(directory: Path) -> Postmaster | None:
    """Return the server once it accepts connections, or None if none runs or starts."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while is_running(directory):
        postmaster = find_postmaster(directory / DATA)
        if postmaster is not None and postmaster.is_ready:
            if is_reachable(postmaster):
                return postmaster
            # A cleaner of temporary files removed its socket, so it cannot be reached any more.
            stop_server(directory)
        elif time.monotonic() > deadline:
            raise explain_failure(directory, f"is not ready in {START_TIMEOUT_SECONDS:.0f} seconds")
        time.sleep(POLL_SECONDS)
    return None


def is_reachable(postmaster: Postmaster) -> bool:
    """Return whether the server's socket exists and is listened on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(0)
        try:
            client.connect(f"{postmaster.socket_directory}/.s.PGSQL.{PORT}")
        except BlockingIOError:
            return True  # Its queue of connections is full.
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def explain_failure(directory: Path, failure: str) -> EmbeddedServerError:
    """Return an error that names a failure and quotes the end of the server's log."""
    log = directory / LOG
    lines = log.read_text("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:] if log.exists() else []
    sentence = f"The embedded PostgreSQL in {directory} {failure}; its log {log} ends with:"
    return EmbeddedServerError("\n".join([sentence, *lines]))


def forget_reused_process_id(data_directory: Path) -> None:
    """Remove a crashed server's `postmaster.pid` if another process has its process id.

    PostgreSQL would refuse to start with it. If no process has the id, the file stays, because
    PostgreSQL uses it to find backends that are left over.
    """
    path = data_directory / "postmaster.pid"
    try:
        os.kill(int(path.read_text("utf-8", "replace").split()[0]), 0)
    except (FileNotFoundError, ProcessLookupError):
        return
    except (PermissionError, ValueError, IndexError):
        pass  # A process of another user has the id, or a crash of the machine left no number.
    path.unlink()
