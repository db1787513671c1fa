"""Slow statements in the log: their text, the tenant and the route, never their parameters."""

import logging

LONGEST_TEXT = 2_000

log = logging.getLogger(__name__)


def tell_slow_statement(statement: str, seconds: float) -> None:
    """Log a statement that took long, with placeholders where its values were."""
    log.warning(
        "A statement was slow.",
        extra={
            "ms": round(seconds * 1000, 2),
            "statement": " ".join(statement.split())[:LONGEST_TEXT],
        },
    )
