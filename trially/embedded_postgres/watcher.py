"""Find the embedded PostgreSQL, and stop it when its last user is gone, however that one died.

The watcher is this file, run as a program of its own. It imports only the standard library,
because it idles as long as the server runs.
"""

import contextlib
import fcntl
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

USERS_LOCK = "users.lock"
"""Held shared by every process that uses the server, exclusively by the watcher that stops it."""
SERVER_LOCK = "server.lock"
"""Inherited by the server itself, so it is free exactly when no process of the server is left."""
WATCHER_LOCK = "watcher.lock"
"""Held by the one watcher, which writes its process id into it."""
DATA = "data"
LOG = "server.log"
PORT = "5432"
"""Part of the socket's name only; nothing listens on TCP."""

DETACHED = ("/bin/sh", "-c", '"$0" "$@" &')
"""Before a command, has it outlive us as no child of ours; its words are not read as shell."""
ENVIRONMENT = {
    # PG* settings would reach the server, and an application's secrets are not its business.
    name: value
    for name, value in os.environ.items()
    if name in {"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
} | {"LC_ALL": "C"}

START_TIMEOUT_SECONDS = 120.0
LOG_TAIL_LINES = 20
POLL_SECONDS = 0.01
FAST_STOP_SECONDS = 60.0
IMMEDIATE_STOP_SECONDS = 10.0

_users_locks: dict[Path, int] = {}
"""Open for the life of the process and of its forks: closing one is what lets go of a server."""


class EmbeddedServerError(Exception):
    """The embedded PostgreSQL cannot be had; the message says why."""


class Postmaster(NamedTuple):
    """A running server, as its own `postmaster.pid` describes it."""

    process_id: int
    socket_directory: str
    is_ready: bool


def start_watcher(directory: Path) -> None:
    """Have a watcher, unless there is one."""
    descriptor = open_private(directory / WATCHER_LOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        program = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(descriptor)]
        run_program([*DETACHED, *program], descriptor, folder=directory)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)


def open_private(path: Path) -> int:
    """Open a file only its owner can use, whoever of root and the owner makes it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


def keep_in_use(directory: Path) -> bool:
    """Count as a user while this process or a fork of it lives; tell whether it did not before."""
    path = directory / USERS_LOCK
    held = _users_locks.get(directory)
    if held is not None and path.exists() and os.path.samestat(os.fstat(held), path.stat()):
        return False
    let_go(directory)
    descriptor = open_private(path)
    try:
        # Waits while a watcher is stopping the server.
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except BaseException:
        os.close(descriptor)
        raise
    _users_locks[directory] = descriptor
    return True


def let_go(directory: Path) -> None:
    """Stop counting as a user."""
    if (descriptor := _users_locks.pop(directory, None)) is not None:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for a lock, and hold it for the block."""
    descriptor = open_private(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        # Closing alone would not do: a fork made meanwhile has a copy that keeps the lock.
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
    """Run a program apart from this one, as an account, with one descriptor of ours."""
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


def find_postmaster(data_directory: Path) -> Postmaster | None:
    """Read which server runs in a data directory, ignoring what a dead one left behind."""
    try:
        text = (data_directory / "postmaster.pid").read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    lines = [line.strip() for line in text.splitlines()] + [""] * 8
    if not lines[0].isdecimal() or not _serves(int(lines[0]), data_directory):
        return None
    return Postmaster(int(lines[0]), lines[4], is_ready=lines[7] == "ready")


def forget_reused_process_id(data_directory: Path) -> None:
    """Remove what a crash left if its process id lives on in another: PostgreSQL would give up.

    With a dead process id it is kept, because PostgreSQL finds left-over backends by it.
    """
    path = data_directory / "postmaster.pid"
    try:
        os.kill(int(path.read_text("utf-8", "replace").split()[0]), 0)
    except (FileNotFoundError, ProcessLookupError):
        return
    except (PermissionError, ValueError, IndexError):
        pass  # It lives and is another's, or a crash of the machine left no number.
    path.unlink()


def is_reachable(postmaster: Postmaster) -> bool:
    """Tell whether the server still has its socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(0)
        try:
            client.connect(f"{postmaster.socket_directory}/.s.PGSQL.{PORT}")
        except BlockingIOError:
            return True  # So many wait at it that one more has no room.
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def is_running(directory: Path) -> bool:
    """Tell whether anything of the server is alive, be it starting or stopping."""
    return _is_locked(directory / SERVER_LOCK) or find_postmaster(directory / DATA) is not None


def wait_until_ready(directory: Path) -> Postmaster | None:
    """Return the server once it can be used, or None as soon as there is none."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while is_running(directory):
        postmaster = find_postmaster(directory / DATA)
        if postmaster is not None and postmaster.is_ready:
            if is_reachable(postmaster):
                return postmaster
            # A sweep of temporary files took its socket: nobody can come in any more.
            stop_server(directory)
        elif time.monotonic() > deadline:
            raise explain_failure(directory, f"is not ready in {START_TIMEOUT_SECONDS:.0f} seconds")
        time.sleep(POLL_SECONDS)
    return None


def explain_failure(directory: Path, what: str) -> EmbeddedServerError:
    """Say what went wrong, with the end of the log."""
    log = directory / LOG
    lines = log.read_text("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:] if log.exists() else []
    sentence = f"The embedded PostgreSQL in {directory} {what}; its log {log} ends with:"
    return EmbeddedServerError("\n".join([sentence, *lines]))


def stop_server(directory: Path) -> None:
    """Stop the server fast, immediately if that takes too long, and wait for its end."""
    # pg_ctl would refuse to run as root, and would signal whoever has the process id today.
    for number, seconds in (
        (signal.SIGINT, FAST_STOP_SECONDS),
        (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS),
    ):
        deadline = time.monotonic() + seconds
        is_told = False
        while is_running(directory) and time.monotonic() < deadline:
            # A server that is only starting has no postmaster.pid yet.
            postmaster = find_postmaster(directory / DATA)
            if postmaster is not None and not is_told:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(postmaster.process_id, number)
                is_told = True
            time.sleep(POLL_SECONDS)


def watch(directory: Path, watcher_lock: int) -> None:
    """Wait until nobody uses the server, then stop it before anybody can use it again."""
    users_lock = os.open(directory / USERS_LOCK, os.O_RDWR)
    fcntl.flock(users_lock, fcntl.LOCK_EX)
    postmaster = find_postmaster(directory / DATA)
    stop_server(directory)
    if postmaster is not None:
        # If that fails, it is gone or not empty, and then it is not ours to tidy.
        with contextlib.suppress(OSError):
            Path(postmaster.socket_directory).rmdir()
    # Before users.lock is free: a newcomer must not count on a watcher that is on its way out.
    os.close(watcher_lock)


def _serves(process_id: int, data_directory: Path) -> bool:
    """Tell whether a process is the server of a data directory, not a later owner of its id."""
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
        # Shared, so that two who ask at once do not take each other for a server.
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
    # When a whole session or container is ended, the users go first and the server after them.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    watch(Path(), watcher_lock)


if __name__ == "__main__":
    _main()
