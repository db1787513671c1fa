"""Whether a server answers: requests do not wait in turn for one that is silent."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from psycopg2 import OperationalError

from trially.database.connecting import ConnectTimeoutError

PAUSE_SECONDS = 0.5
"""How long no connection to a silent server is tried."""

TRIAL_SECONDS = 4.0
"""How long one trial is waited for before another may begin."""


class SilentPauseError(OperationalError):
    """The server was silent a moment ago, so this connection was not tried."""


class ServerHealth:
    """What this process knows of one server. Threads share it; `clock` returns seconds.

    While a server is silent, one thread at a time tries to connect, and the others fail at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._next_trial_at: float | None = None
        self.connections_failed_at = float("-inf")
        """When a connection was last found dead. Those opened before may be dead, too."""

        self.is_doubtful = False
        """Whether a statement has had no answer for long and nobody knows yet whether it runs."""

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Wrap one attempt to connect, or raise `SilentPauseError` instead of an attempt."""
        self._refuse_while_silent()
        try:
            yield
        except ConnectTimeoutError:
            self.record_dead_connection(is_server_silent=True)
            raise
        except OperationalError:
            self._next_trial_at = None
            raise
        else:
            self._next_trial_at = None

    def record_dead_connection(self, *, is_server_silent: bool) -> None:
        """Record that a connection got no answer, and whether new ones get none either."""
        self.connections_failed_at = self._clock()
        if is_server_silent:
            self._next_trial_at = self._clock() + PAUSE_SECONDS

    @property
    def is_silent(self) -> bool:
        """Whether the server was silent and has not answered since."""
        return self._next_trial_at is not None

    def _refuse_while_silent(self) -> None:
        if not self.is_silent:
            return
        with self._lock:
            if self._next_trial_at is not None and self._clock() < self._next_trial_at:
                raise SilentPauseError("The server does not answer.")
            self._next_trial_at = self._clock() + TRIAL_SECONDS
