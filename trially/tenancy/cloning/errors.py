"""Errors of clones."""

from trially.errors import OperatorError


class CloneError(OperatorError):
    """A tenant cannot be cloned. Nothing is left of the new one."""


class UnclassifiedColumnError(CloneError):
    """A column has no class, so a masked clone does not know what to make of it."""


class UnmaskableValueError(CloneError):
    """A value is not one of those that its column may have. The message does not quote it."""
