"""Errors of the Bulk Data client."""

from trially.errors import OperatorError


class BulkError(OperatorError):
    """An export cannot be requested, followed or downloaded. The message is a sentence."""


class StatusError(BulkError):
    """The server answered with an unexpected status."""

    def __init__(self, what: str, status: int, detail: str | None = None) -> None:
        self.status = status
        more = f" It says: {detail}" if detail else ""
        super().__init__(f"{what} was answered with the HTTP status {status}.{more}")
