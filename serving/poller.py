"""Wait for events of sockets."""

import selectors
from collections.abc import Callable
from typing import Any

from serving.connection import Connection

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Poller:
    """Polls connections, and other sources whose functions take what comes."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def listen(self, source: Any, take: Callable[[Any], None]) -> None:
        """Call `take` with `source` when it is readable."""
        self._selector.register(source, READ, take)

    def ignore(self, source: Any) -> None:
        """Do not poll a source any more."""
        self._selector.unregister(source)

    def watch(self, connection: Connection, events: int) -> None:
        """Poll a connection for events, or for none."""
        if connection.events == events:
            return
        if not connection.events:
            self._selector.register(connection.sock, events, connection)
        elif events:
            self._selector.modify(connection.sock, events, connection)
        else:
            self._selector.unregister(connection.sock)
        connection.events = events

    def poll(self, seconds: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready within `seconds`. The data of a key is a connection or `take`."""
        return self._selector.select(seconds)
