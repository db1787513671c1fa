"""How long what a request does in its tenant's database may take, all in all."""

import time

from trially.config import current_settings
from trially.state import request_state


def start_deadline(milliseconds: int) -> None:
    """Have the statements of this app context's transactions end `milliseconds` from now."""
    request_state().deadline = time.monotonic() + milliseconds / 1000


def statement_bound() -> str:
    """Return what bounds a transaction's statements to what is left; nothing if no deadline is.

    The server bounds each statement by itself. So a transaction's last one may end later than the
    deadline, by as much at most as was left when the transaction began.
    """
    deadline = request_state().deadline
    if deadline is None:
        return ""
    left_ms = max(1, int((deadline - time.monotonic()) * 1000))
    return f"SET LOCAL statement_timeout={min(left_ms, current_settings().statement_timeout_ms)};"
