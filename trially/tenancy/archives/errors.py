"""What can be wrong with an archive."""

from trially.errors import OperatorError


class ArchiveError(OperatorError):
    """An archive cannot be written, read or restored."""


class DamagedArchiveError(ArchiveError):
    """The bytes of an archive are not those that were written."""


class ForeignArchiveError(ArchiveError):
    """The file is no archive, or no archive of this installation."""


class NoArchiveError(ArchiveError):
    """There is no such archive."""


class LongSnapshotError(ArchiveError):
    """The archive took longer than its snapshot may be held."""
