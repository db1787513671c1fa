"""The error that stops the start."""

from trially.errors import OperatorError


class SettingsError(OperatorError):
    """A setting is missing or invalid; the message names it and the remedy."""
