"""Times as operators type them."""

import datetime as dt

from trially.tenancy.recovery.errors import OutsideIntervalError, RecoveryError


def read_time(text: str, now: dt.datetime) -> dt.datetime:
    """Return a time in ISO 8601 with an offset, or raise `RecoveryError`."""
    try:
        at = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise RecoveryError(
            f"{text[:40]!r} is not a time in ISO 8601. Write it as {_example(now)}."
        ) from None
    if at.tzinfo is None:
        raise RecoveryError(
            f"{text[:40]!r} does not say in which time zone it is. Add the offset from UTC, as in"
            f" {at.isoformat()}Z or {at.isoformat()}-05:00."
        )
    return at


def check_time(at: dt.datetime) -> None:
    """Raise `OutsideIntervalError` for a time in the future."""
    now = dt.datetime.now(dt.UTC)
    if at > now:
        raise OutsideIntervalError(
            f"{at.isoformat()} is in the future. It is {now.isoformat(timespec='seconds')}."
        )


def _example(now: dt.datetime) -> str:
    return now.astimezone(dt.UTC).isoformat(timespec="seconds")
