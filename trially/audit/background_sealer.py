"""Seal all logs: the tenants' and the operators', once or in the background of a server."""

import logging
import threading
from collections.abc import Iterator, Sequence
from itertools import chain

from flask import Flask

from trially.audit.catalog_log import seal_catalog
from trially.audit.sealer import Sealed, seal_tenants
from trially.audit.witnesses import Witness, configured_witnesses
from trially.tenancy.lifecycle.listing import slugs_of_created

SECONDS_BETWEEN_RUNS = 10.0

log = logging.getLogger(__name__)


def seal_all(witnesses: Sequence[Witness]) -> Iterator[Sealed]:
    """Seal the logs of all tenants in turn, and then that of the operators."""
    return chain(seal_tenants(slugs_of_created(), witnesses), seal_catalog(witnesses))


class BackgroundSealer(threading.Thread):
    """Seals all logs again and again until `stop` is called, for a server without a sealer."""

    def __init__(self, app: Flask) -> None:
        super().__init__(name="background-sealer", daemon=True)
        self._app = app
        self._stopping = threading.Event()

    def run(self) -> None:
        """Seal, wait, and repeat. What fails is tried again with the next run."""
        while not self._stopping.wait(SECONDS_BETWEEN_RUNS):
            try:
                self._seal()
            except Exception as error:  # noqa: BLE001  such as a server that is started again
                log.warning("The audit logs could not be sealed: %s", error)

    def stop(self) -> None:
        """Stop after the log that is being sealed."""
        self._stopping.set()

    def _seal(self) -> None:
        with self._app.app_context():
            for done in seal_all(configured_witnesses()):
                if done.error:
                    log.warning("The log of %s could not be sealed: %s", done.slug, done.error)
                if self._stopping.is_set():
                    return
