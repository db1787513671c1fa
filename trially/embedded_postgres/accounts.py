"""The account that runs the server, and its access to files: PostgreSQL refuses to run as root."""

import contextlib
import logging
import os
import pwd
import stat
import subprocess
import time
from pathlib import Path

from trially.embedded_postgres.readiness import EmbeddedServerError

SYSTEM_USER = "embedded_postgres"

Account = pwd.struct_passwd | None
"""None: the server runs as this process's own user."""

logger = logging.getLogger(__name__)


def prepare_directory(directory: Path) -> Account:
    """Create the directory, and return the account that will run the server."""
    directory.mkdir(parents=True, exist_ok=True)
    is_root, status = os.geteuid() == 0, directory.stat()
    if is_root and status.st_uid != 0:
        return pwd.getpwuid(status.st_uid)
    mode = 0o711 if is_root else 0o700
    if stat.S_IMODE(status.st_mode) != mode:
        directory.chmod(mode)
    return _system_account() if is_root else None


def allow_search(path: Path, account: pwd.struct_passwd) -> None:
    """Let an account pass through the folders above a path, without listing them."""
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    for folder in path.parents:
        status = folder.stat()
        is_owner, is_member = status.st_uid == account.pw_uid, status.st_gid in groups
        bit = stat.S_IXUSR if is_owner else stat.S_IXGRP if is_member else stat.S_IXOTH
        if not status.st_mode & bit:
            logger.warning("Allowing %s to pass through %s (chmod o+x).", account.pw_name, folder)
            folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)


def allow_read(installation: Path, account: pwd.struct_passwd) -> None:
    """Let an account read and run the files of PostgreSQL's installation."""
    allow_search(installation / "bin", account)
    for folder, _, names in os.walk(installation):
        for path in [Path(folder), *(Path(folder, name) for name in names)]:
            mode = stat.S_IMODE(path.stat().st_mode)
            readable = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
            if mode != readable:
                path.chmod(readable)


def _system_account() -> pwd.struct_passwd:
    """Return the system user that runs the server for root, and create it if needed."""
    for _ in range(10):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
        command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(command, capture_output=True, check=False)  # noqa: S603
        # If two processes add the user at once, the lock of the user database makes one fail.
        time.sleep(0.1)
    raise EmbeddedServerError(
        f"PostgreSQL refuses to run as root, and the user {SYSTEM_USER} could not be created."
        f" Create it: `useradd --system {SYSTEM_USER}`."
    )
