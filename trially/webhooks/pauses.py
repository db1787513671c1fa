"""When a message is sent again that was not accepted."""

import datetime as dt
import random

MINUTE, HOUR = 60.0, 3600.0

PAUSES = (5.0, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR)
"""Seconds after each attempt that was refused. With the first one there are ten, in two days."""

LONGEST_SILENCE_SECONDS = HOUR
"""A receiver that does not answer at all is tried again at least so often."""

DISABLED_AFTER = dt.timedelta(days=5)
"""An endpoint that has accepted nothing for so long is disabled."""

LONGEST_REQUESTED_SECONDS = HOUR
"""The longest pause that a receiver may ask for with Retry-After."""


def pause_after(attempts: int) -> float | None:
    """Return the seconds until the next attempt, with jitter; None after the last attempt."""
    if attempts > len(PAUSES):
        return None
    return _jittered(PAUSES[attempts - 1])


def silence_after(failures: int) -> float:
    """Return for how many seconds nothing is sent to a receiver that did not answer."""
    longest = PAUSES[min(failures, len(PAUSES)) - 1]
    return _jittered(min(longest, LONGEST_SILENCE_SECONDS))


def requested_pause(retry_after: str | None) -> float | None:
    """Return the seconds that the header Retry-After asks for, or None."""
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()):
        return None
    return min(float(retry_after[:9]), LONGEST_REQUESTED_SECONDS)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  spreads attempts, hides nothing
