"""What can stop a move."""

from trially.errors import OperatorError


class MoveError(OperatorError):
    """The move cannot go on. Until the switch, the tenant stays where it is."""


class DifferentTablesError(MoveError):
    """The tables of the source and the target differ."""


class MismatchError(MoveError):
    """Rows of the target differ from those of the source."""


class BusyTenantError(MoveError):
    """The tenant's transactions left no moment for the switch."""


class LostStreamError(MoveError):
    """The source has ended the stream of changes."""
