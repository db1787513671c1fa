"""Share the server of a directory between processes, by kernel locks.

A lock is released when its process ends, however it ends. A file of process ids would not be.
"""

import contextlib
import fcntl
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from trially.embedded_postgres import watcher
from trially.embedded_postgres.watcher import USERS_LOCK

WATCHER_LOCK = "watcher.lock"
"""Held by the one watcher, which writes its process id into it."""

DETACHED = ("/bin/sh", "-c", '"$0" "$@" &')
"""Placed before a command, it makes the program outlive this process and not be its child.

The shell does not interpret the command's words.
"""
ENVIRONMENT = {
    # Only these: PG* variables would configure the server, and others may hold secrets.
    name: value
    for name, value in os.environ.items()
    if name in {"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
} | {"LC_ALL": "C"}

_users_locks: dict[Path, int] = {}
"""Open for the life of this process and its forks: closing one ends the use of a server."""


def start_watcher(directory: Path) -> None:
    """Start the watcher of a directory, unless one runs."""
    descriptor = open_private(directory / WATCHER_LOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = Path(watcher.__file__).resolve()
        program = [sys.executable, "-I", "-S", str(path), str(descriptor)]
        run_program([*DETACHED, *program], descriptor, folder=directory)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)


def open_private(path: Path) -> int:
    """Open a file that only the directory's owner can use, even if root creates it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


def start_using(directory: Path) -> bool:
    """Use the server as long as this process or a fork of it runs.

    Returns whether this process did not use it before.
    """
    path = directory / USERS_LOCK
    held = _users_locks.get(directory)
    if held is not None and path.exists() and os.path.samestat(os.fstat(held), path.stat()):
        return False
    stop_using(directory)
    descriptor = open_private(path)
    try:
        # Blocks while a watcher stops the server.
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except BaseException:
        os.close(descriptor)
        raise
    _users_locks[directory] = descriptor
    return True


def stop_using(directory: Path) -> None:
    """End this process's use of the server."""
    if (descriptor := _users_locks.pop(directory, None)) is not None:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for an exclusive lock, and hold it during the block."""
    descriptor = open_private(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        # Closing is not enough: a process forked meanwhile has a copy that keeps the lock.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def run_program(
    command: list[str],
    inherited: int,
    *,
    folder: Path,
    output: int = subprocess.DEVNULL,
    account: pwd.struct_passwd | None = None,
) -> None:
    """Run a program in a session of its own, as an account, with one inherited descriptor."""
    subprocess.run(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=folder,
        env=ENVIRONMENT,
        user=None if account is None else account.pw_uid,
        group=None if account is None else account.pw_gid,
        extra_groups=None if account is None else [],
        pass_fds=[inherited],
        start_new_session=True,
        umask=0o077,
        check=True,
    )
