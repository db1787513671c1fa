"""Limit the time of a request that this process sends, whatever the other side does."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPSConnection


class Deadline:
    """The sockets of one request. They are shut down when its time is over.

    A socket's own timeout limits each call only, so a peer that drips bytes would never reach it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[int] = []
        self._is_over = False

    def add(self, opened: socket.socket) -> None:
        """Add a socket, or raise `TimeoutError` if the time is over.

        A copy of its descriptor is kept, because TLS replaces the socket object.
        """
        with self._lock:
            if self._is_over:
                raise TimeoutError("The time for the request is over.")
            self._sockets.append(os.dup(opened.fileno()))

    def end(self) -> None:
        """Shut down the sockets."""
        with self._lock:
            self._is_over = True
            while self._sockets:
                with socket.socket(fileno=self._sockets.pop()) as copy, suppress(OSError):
                    copy.shutdown(socket.SHUT_RDWR)


class _Current(threading.local):
    deadline: Deadline | None = None


_current = _Current()
"""The deadline of the request that this thread runs."""


@contextmanager
def limited_to(seconds: float) -> Iterator[None]:
    """Shut down the sockets that this thread opens in the block after `seconds`."""
    deadline = _current.deadline = Deadline()
    timer = threading.Timer(seconds, deadline.end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _current.deadline = None
        deadline.end()


class LimitedConnection(HTTPConnection):
    """A connection whose socket is shut down at the deadline of the thread's request."""

    def connect(self) -> None:
        """Connect over TCP."""
        super().connect()
        if _current.deadline is not None:
            _current.deadline.add(self.sock)


class LimitedTLSConnection(HTTPSConnection, LimitedConnection):
    """The same over TLS.

    `HTTPSConnection.connect` calls `LimitedConnection.connect` for the TCP part.
    """
