"""The person who runs a command."""

import os
import pwd
import socket
from dataclasses import dataclass
from pathlib import Path

LOGIN_UID = Path("/proc/self/loginuid")
NO_LOGIN = 2**32 - 1


@dataclass(frozen=True)
class Person:
    """The account of the person, and the machine."""

    name: str
    host: str


def current_person() -> Person:
    """Return the person who logged in to this machine, also behind `su` and `sudo`.

    Linux keeps the account of the login for each process, and a process without privileges cannot
    change it. Where no login was recorded, as in a container, it is the account of the process.
    Environment variables are not asked, because anyone can set them.
    """
    uid = _login_uid()
    return Person(_account(os.getuid() if uid is None else uid), socket.gethostname())


def name_of_operator(issuer: str, subject: str) -> str:
    """Return the name of an operator of the platform API, in the log. No account has this form."""
    return f"{subject} of {issuer}"


def _login_uid() -> int | None:
    try:
        uid = int(LOGIN_UID.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if uid == NO_LOGIN else uid


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
