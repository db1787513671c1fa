"""Slow statements in the log: their text, the tenant and the route, never their parameters."""

import logging

LONGEST_TEXT = 2_000

log = logging.getLogger(__name__)


def log_slow_statement(statement: str, seconds: float) -> None:
    """Log the text of a slow statement; placeholders stand for its values."""
    log.warning(
        "A statement was slow.",
        extra={
            "ms": round(seconds * 1000, 2),
            "statement": " ".join(statement.split())[:LONGEST_TEXT],
        },
    )
