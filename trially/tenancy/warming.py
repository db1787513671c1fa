"""Open connections to where a tenant is about to move, before its requests need them.

Otherwise all its clients open connections to the new database at once, right after the switch. The
guard there still refuses every transaction, so an open connection shows nothing.
"""

import logging
import math
import time
from threading import Lock, Thread

from flask import current_app

from trially.database.placement import Placement
from trially.state import AppState, state_of

PERIOD_SECONDS = 2.0
"""How often connections to one database are opened at most."""

log = logging.getLogger(__name__)


class Warmer:
    """Opens the connections of one process. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._due_at: dict[str, float] = {}
        """When connections may be opened again, by bind key."""

    def warm(self, placement: Placement) -> None:
        """Begin to open as many connections as the requests of one tenant may use at a time."""
        now = time.monotonic()
        with self._lock:
            self._due_at = {key: due_at for key, due_at in self._due_at.items() if due_at > now}
            if placement.bind_key in self._due_at:
                return
            self._due_at[placement.bind_key] = now + PERIOD_SECONDS
        state = state_of(current_app)
        Thread(target=_open, args=(state, placement), name="warming", daemon=True).start()


def _open(state: AppState, placement: Placement) -> None:
    settings = state.settings
    count = max(1, math.ceil(settings.threads * settings.tenant_thread_share))
    try:
        state.engines.open_idle(placement, count)
    except Exception as error:  # noqa: BLE001  requests open them, or learn why they cannot
        log.info("Connections could not be opened before a move: %s", type(error).__name__)
