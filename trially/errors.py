"""The base class of errors whose message is for an operator."""


class OperatorError(Exception):
    """An error whose message a command prints. The message is a sentence without PHI."""
