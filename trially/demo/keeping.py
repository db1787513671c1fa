"""Keep the embedded PostgreSQL servers running while the demo is served."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from trially.config import Settings
from trially.embedded_postgres.keeper import ServerKeeper
from trially.tenancy.servers.administrator import EMBEDDED_DIRECTORY
from trially.tenancy.servers.local import join_local_server, local_directory, local_servers

POLL_SECONDS = 0.5


@contextmanager
def keeping_servers(settings: Settings) -> Iterator[None]:
    """Start embedded servers again if they end meanwhile, also those that are added meanwhile."""
    if settings.database_url is not None:
        yield
        return
    first = ServerKeeper(settings.instance / EMBEDDED_DIRECTORY, settings.embedded_settings)
    further = LocalServersKeeper(settings)
    first.start()
    further.start()
    try:
        yield
    finally:
        further.stop()
        first.stop()


class LocalServersKeeper(threading.Thread):
    """Keeps all local servers running until `stop` is called."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="local-servers-keeper", daemon=True)
        self._settings = settings
        self._stopping = threading.Event()
        self._keepers: dict[str, ServerKeeper] = {}

    def run(self) -> None:
        """Look for new local servers again and again, and keep each of them."""
        while not self._stopping.wait(POLL_SECONDS):
            for name in local_servers(self._settings):
                if name not in self._keepers:
                    self._keep(name)

    def stop(self) -> None:
        """Stop looking, before this process ends and the servers with it."""
        self._stopping.set()
        for keeper in self._keepers.values():
            keeper.stop()

    def _keep(self, name: str) -> None:
        """Join a server, so that it runs after the command that added it, and keep it."""
        join_local_server(self._settings, name)
        directory = local_directory(self._settings, name)
        keeper = self._keepers[name] = ServerKeeper(directory, self._settings.embedded_settings)
        keeper.start()
