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


class MovedMeanwhileError(ArchiveError):
    """The tenant has moved since its placement was read."""


class HiddenRowsError(ArchiveError):
    """Row-level security may hide rows of the tenant, so the archive would lack them."""
