"""Stop the embedded PostgreSQL after its last user has ended, even if that user was killed.

The watcher is this file, run as a program of its own. It imports only the standard library, because
it idles as long as the server runs.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

USERS_LOCK = "users.lock"
"""Held shared by every process that uses the server, exclusively by the watcher that stops it."""
SERVER_LOCK = "server.lock"
"""Inherited by all processes of the server, so it is free exactly when none of them is left."""
DATA = "data"

POLL_SECONDS = 0.01
FAST_STOP_SECONDS = 60.0
IMMEDIATE_STOP_SECONDS = 10.0


class Postmaster(NamedTuple):
    """A running server, as its own `postmaster.pid` describes it."""

    process_id: int
    socket_directory: str
    is_ready: bool


def find_postmaster(data_directory: Path) -> Postmaster | None:
    """Return the server that runs in a data directory, or None.

    A `postmaster.pid` that a crashed server left behind is ignored.
    """
    try:
        text = (data_directory / "postmaster.pid").read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    lines = [line.strip() for line in text.splitlines()] + [""] * 8
    if not lines[0].isdecimal() or not _serves(int(lines[0]), data_directory):
        return None
    return Postmaster(int(lines[0]), lines[4], is_ready=lines[7] == "ready")


def is_running(directory: Path) -> bool:
    """Return whether any process of the server runs, also while it starts or stops."""
    return _is_locked(directory / SERVER_LOCK) or find_postmaster(directory / DATA) is not None


def stop_server(directory: Path) -> None:
    """Stop the server in fast mode, then in immediate mode, and wait until it has ended."""
    # pg_ctl would refuse to run as root, and would signal a process that reuses the process id.
    for number, seconds in (
        (signal.SIGINT, FAST_STOP_SECONDS),
        (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS),
    ):
        deadline = time.monotonic() + seconds
        is_signalled = False
        while is_running(directory) and time.monotonic() < deadline:
            # A server that is only starting has no postmaster.pid yet.
            postmaster = find_postmaster(directory / DATA)
            if postmaster is not None and not is_signalled:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(postmaster.process_id, number)
                is_signalled = True
            time.sleep(POLL_SECONDS)


def watch(directory: Path, watcher_lock: int) -> None:
    """Wait until no process uses the server, then stop it before a new user can start."""
    users_lock = os.open(directory / USERS_LOCK, os.O_RDWR)
    fcntl.flock(users_lock, fcntl.LOCK_EX)
    postmaster = find_postmaster(directory / DATA)
    stop_server(directory)
    if postmaster is not None:
        # It fails if the directory is gone or not empty; then there is nothing for us to clean up.
        with contextlib.suppress(OSError):
            Path(postmaster.socket_directory).rmdir()
    # Released before users.lock: a new user must not rely on a watcher that is about to end.
    os.close(watcher_lock)


def _serves(process_id: int, data_directory: Path) -> bool:
    """Return whether a process is the server of a data directory, not a later user of its id."""
    if Path("/proc/self/cwd").exists():
        process = Path("/proc", str(process_id))
        try:
            is_postgres = (process / "comm").read_text("utf-8", "replace") == "postgres\n"
            return is_postgres and (process / "cwd").samefile(data_directory)
        except OSError:
            return False
    command = subprocess.run(  # noqa: S603
        ["/bin/ps", "-ww", "-p", str(process_id), "-o", "command="],
        capture_output=True,
        check=False,
    ).stdout
    return b"postgres" in command and os.fsencode(data_directory.resolve()) in command


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # A shared lock, so that two processes that check at once do not see each other as a server.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _main() -> None:
    watcher_lock = int(sys.argv[1])
    os.ftruncate(watcher_lock, 0)
    os.write(watcher_lock, f"{os.getpid()}\n".encode())
    # When a whole session or container ends, its users end first and the server after them.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    watch(Path(), watcher_lock)


if __name__ == "__main__":
    _main()
