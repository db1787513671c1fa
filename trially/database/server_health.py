"""Whether a server answers: requests do not wait in turn for one that is silent."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock

from psycopg2 import OperationalError

from trially.database.connecting import ConnectTimeoutError


class SilentError(OperationalError):
    """The server was silent a moment ago, so this connection was not tried."""


class ServerHealth:
    """What this process knows of one server. Threads share it; `clock` returns seconds.

    While a server is silent, a thread of the watchdog tries to connect to it, and requests fail at
    once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._trying = Lock()
        self.is_silent = False
        """Whether the server did not answer and has not answered since."""

        self.connections_failed_at = float("-inf")
        """When a connection was last found dead. Those opened before may be dead, too."""

        self.is_doubtful = False
        """Whether a statement has had no answer for long and nobody knows yet whether it runs."""

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Wrap one attempt to connect, or raise `SilentError` instead of an attempt."""
        if self.is_silent:
            raise SilentError("The server does not answer.")
        with self._noting():
            yield

    def record_dead_connection(self, *, is_server_silent: bool) -> None:
        """Record that a connection got no answer, and whether new ones get none either."""
        self.connections_failed_at = self._clock()
        self.is_silent = self.is_silent or is_server_silent

    def try_again(self, connect: Callable[[], object]) -> None:
        """If the server is silent, try to connect in another thread, one at a time."""
        if self.is_silent and not self._trying.locked():
            threading.Thread(target=self._try, args=(connect,), name="trial", daemon=True).start()

    def _try(self, connect: Callable[[], object]) -> None:
        with self._trying, suppress(OperationalError), self._noting():
            connect()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except ConnectTimeoutError:
            self.record_dead_connection(is_server_silent=True)
            raise
        except OperationalError:
            self.is_silent = False
            raise
        else:
            self.is_silent = False
