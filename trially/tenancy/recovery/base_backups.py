"""A base backup, and what a tool lays for a recovery."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BaseBackup:
    """A base backup of a whole server, which is complete."""

    id: str
    usable_from: dt.datetime
    """The earliest time to which the server can be recovered with it."""

    bytes: int


@dataclass(frozen=True)
class Laid:
    """A data directory that a recovery can start from."""

    data: Path
    restore_command: str
    """The command with which PostgreSQL fetches WAL, as its setting says it."""
