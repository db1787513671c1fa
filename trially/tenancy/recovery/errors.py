"""Errors of restores to a point in time."""

import datetime as dt

from trially.errors import OperatorError


class RecoveryError(OperatorError):
    """A restore to a point in time is not possible. The message says why, and what to do."""


class NoBackupError(RecoveryError):
    """The server is not backed up, or has no base backup yet."""


class OutsideIntervalError(RecoveryError):
    """The server cannot be recovered to this time. The message has the possible interval."""


class EndOfWalError(OutsideIntervalError):
    """The stored WAL ends before the time to which a server is recovered."""

    def __init__(self, last_commit: dt.datetime | None, position: str | None) -> None:
        self.last_commit, self.position = last_commit, position
        end = f"with a commit at {last_commit.isoformat()}" if last_commit else "before that time"
        super().__init__(
            f"The stored WAL of the server ends {end}. Choose that time or an earlier one."
        )


class BackupToolError(RecoveryError):
    """The tool that backs a server up is missing, or has failed."""
