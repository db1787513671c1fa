"""Settle moves in the background of the demo's server, as `flask tenants settle-moves` does."""

import logging
import threading

from flask import Flask

from trially.tenancy.lifecycle.moving.settling import settle

SECONDS_BETWEEN_RUNS = 5.0

log = logging.getLogger(__name__)


class BackgroundSettler(threading.Thread):
    """Settles moves again and again until `stop` is called."""

    def __init__(self, app: Flask) -> None:
        super().__init__(name="background-settler", daemon=True)
        self._app = app
        self._stopping = threading.Event()

    def run(self) -> None:
        """Settle, wait, and repeat. What fails is tried again with the next run."""
        while not self._stopping.wait(SECONDS_BETWEEN_RUNS):
            try:
                with self._app.app_context():
                    failed = [each for each in settle() if each.error is not None]
            except Exception as error:  # noqa: BLE001  such as a server that is started again
                log.warning("Moves could not be settled: %s", type(error).__name__)
                continue
            for each in failed:
                log.warning("A move of %s could not be settled: %s", each.tenant, each.error)

    def stop(self) -> None:
        """Begin no further run."""
        self._stopping.set()
