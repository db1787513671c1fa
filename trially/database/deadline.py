"""The deadline for all work of a request in its tenant's database."""

import time

from trially.config import current_settings
from trially.request_state import request_state
from trially.state import app_state


def start_deadline(milliseconds: int) -> None:
    """Set this app context's deadline to `milliseconds` from now."""
    request_state().deadline = time.monotonic() + milliseconds / 1000


def request_deadline() -> float | None:
    """Return the deadline of this app context by `time.monotonic()`, or None if it has none."""
    return request_state().deadline


def statement_bound() -> str:
    """Return the SQL that bounds a transaction's waits for locks, and its statements.

    In a command that only reads, it also refuses changes.

    PostgreSQL applies `statement_timeout` to each statement alone. So the last statement of a
    transaction may end after the deadline, at most by the time that remained at BEGIN.
    """
    settings, deadline = current_settings(), request_state().deadline
    lock_sql = f"SET LOCAL lock_timeout={settings.lock_timeout_ms};"
    if app_state().only_reads:
        lock_sql = f"SET TRANSACTION READ ONLY;{lock_sql}"
    if deadline is None:
        return lock_sql
    remaining_ms = max(1, int((deadline - time.monotonic()) * 1000))
    timeout_ms = min(remaining_ms, settings.statement_timeout_ms)
    return f"{lock_sql}SET LOCAL statement_timeout={timeout_ms};"
