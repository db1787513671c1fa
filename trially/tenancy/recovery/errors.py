"""Errors of restores to a point in time."""

from trially.errors import OperatorError


class RecoveryError(OperatorError):
    """A restore to a point in time is not possible. The message says why, and what to do."""


class NoBackupError(RecoveryError):
    """The server is not backed up, or has no base backup yet."""


class OutsideIntervalError(RecoveryError):
    """The server cannot be recovered to this time. The message has the possible interval."""


class BackupToolError(RecoveryError):
    """The tool that backs a server up is missing, or has failed."""
