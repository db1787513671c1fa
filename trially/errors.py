"""The base class of errors whose message is meant for an operator."""


class OperatorError(Exception):
    """An error that a command prints as it is: its message is a whole sentence, without PHI."""
