"""Start the embedded PostgreSQL again if it ends while a development server serves."""

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from trially.embedded_postgres.readiness import LOG, EmbeddedServerError
from trially.embedded_postgres.server import start_embedded_server
from trially.embedded_postgres.watcher import DATA, find_postmaster

POLL_SECONDS = 0.5
MAX_RESTARTS = 5
PERIOD_SECONDS = 600.0
"""At most `MAX_RESTARTS` in this time: a server that ends again and again has a cause to mend."""

log = logging.getLogger(__name__)


class ServerKeeper(threading.Thread):
    """Keeps the server of a directory running until `stop` is called.

    Clients need nothing new: the password and the directory of the socket stay the same.
    """

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        super().__init__(name="embedded-postgres-keeper", daemon=True)
        self._directory = directory.resolve()
        self._settings = settings
        self._stopping = threading.Event()
        self._restarts: deque[float] = deque(maxlen=MAX_RESTARTS)

    def run(self) -> None:
        """Look at the server again and again, and start it when it has ended."""
        while not self._stopping.wait(POLL_SECONDS):
            if find_postmaster(self._directory / DATA) is None and not self._restart():
                return

    def stop(self) -> None:
        """Stop looking, before this process ends and the server with it."""
        self._stopping.set()

    def _restart(self) -> bool:
        """Start the server, and return whether to go on looking."""
        began = time.monotonic()
        is_full = len(self._restarts) == MAX_RESTARTS
        if is_full and began - self._restarts[0] < PERIOD_SECONDS:
            log.error(
                "The embedded PostgreSQL ended again after %d restarts, and is not started again."
                " See %s, then stop this server and start it again.",
                MAX_RESTARTS,
                self._directory / LOG,
            )
            return False
        self._restarts.append(began)
        try:
            start_embedded_server(self._directory, settings=self._settings)
        except EmbeddedServerError as error:
            log.critical("%s", error)
        else:
            seconds = time.monotonic() - began
            log.warning("The embedded PostgreSQL had ended, and was started in %.1f s.", seconds)
        return True
