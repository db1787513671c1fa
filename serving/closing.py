"""End connections: with an answer, politely, or at once."""

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from serving.connection import Connection, Phase
from serving.connections import Connections
from serving.poller import READ, Poller
from serving.problems import TOO_MANY, TOO_SLOW, Problem, choose_request_id

LINGERING_SECONDS = 5.0
"""How long a client that still sends may take until it has read the answer and closes."""

SHORT_SECONDS = 1.0
"""The same for a client that has sent a whole request, or nothing."""


class Closer:
    """Ends the connections of a worker."""

    def __init__(
        self, poller: Poller, connections: Connections, report: Callable[[int], None], log: Any
    ) -> None:
        self._poller = poller
        self._connections = connections
        self._report = report
        self._log = log

    def refuse(self, connection: Connection, problem: Problem, request: Any = None) -> None:
        """Answer a request with a problem, and close the connection."""
        self._send_problem(connection, problem, request or connection.request)
        self.linger(connection, LINGERING_SECONDS)

    def evict(self, connection: Connection) -> None:
        """Close a connection in favour of another."""
        if connection.phase is Phase.SENDING:
            self.abort(connection)
            return
        if connection.phase in {Phase.HEAD, Phase.BODY} or not connection.requests:
            self._send_problem(connection, TOO_MANY, connection.request)
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_WR)
        self.close(connection)

    def expire(self, connection: Connection) -> None:
        """End a connection whose deadline has passed."""
        if connection.phase in {Phase.HEAD, Phase.BODY}:
            self.refuse(connection, TOO_SLOW)
        elif connection.phase is Phase.IDLE:
            self.linger(connection, SHORT_SECONDS)
        elif connection.phase is Phase.SENDING:
            self.abort(connection)
        else:
            self.close(connection)

    def linger(self, connection: Connection, seconds: float) -> None:
        """Send the end, and wait until the client closes: closing at once may lose the answer."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close(connection)
            return
        connection.phase = Phase.LINGERING
        connection.since = time.monotonic()
        connection.deadline = connection.since + seconds
        self._connections.release_buffer(connection)
        self._poller.watch(connection, READ)

    def abort(self, connection: Connection) -> None:
        """Reset a connection, so that the kernel keeps nothing for it either."""
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close(connection)

    def close(self, connection: Connection) -> None:
        """Close a connection at once."""
        self._poller.watch(connection, 0)
        self._connections.remove(connection)
        self._report(len(self._connections))
        connection.sock.close()

    def _send_problem(self, connection: Connection, problem: Problem, request: Any) -> None:
        request_id = choose_request_id(request)
        self._log.info(
            "A request was refused: %d %s, request id %s.",
            problem.status,
            problem.name,
            request_id,
        )
        with contextlib.suppress(OSError):
            connection.sock.send(problem.render(request_id))
