"""Accept connections, and share them evenly among the workers."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

from serving.connection import Connection, Phase
from serving.slots import Slots, State

ACCEPTS_AT_ONCE = 64
IS_AUTHENTICATED, HAS_SERVED = 1, 2
"""Bits of the message that goes with a connection to another worker."""


class Acceptor:
    """Accepts connections for one worker, or passes them to a worker that has fewer."""

    def __init__(self, worker: Any, add: Callable[[socket.socket, Any, int], None]) -> None:
        self._slots: Slots = worker.slots
        self._slot: int | None = worker.slot
        self._listeners = worker.sockets
        self._add = add
        for listener in self._listeners:
            listener.settimeout(0)

    def sources(self) -> Iterator[tuple[socket.socket, Callable[[Any], None]]]:
        """Yield each socket to poll, and the function that takes connections from it."""
        for listener in self._listeners:
            yield listener, self.accept
        if self._slot is not None:
            yield self._slots.inbox(self._slot), self.take

    def enter(self, state: State) -> None:
        """Tell the other workers what this one does from now on."""
        if self._slot is not None:
            self._slots.enter(self._slot, state)

    def report(self, connections: int) -> None:
        """Tell the other workers that this one is alive, and how many connections it has."""
        if self._slot is not None:
            self._slots.report(self._slot, connections)

    def accept(self, listener: Any) -> None:
        """Accept what has been connected. Raises `OSError` if no more can be opened."""
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            sock.settimeout(0)
            if self._slot is not None and self._send(sock, self._target(self._slot), 0):
                sock.close()
            else:
                self._add(sock, address, 0)

    def take(self, _inbox: Any) -> None:
        """Take connections that other workers have passed to this one."""
        assert self._slot is not None  # noqa: S101
        while (passed := self._slots.take(self._slot)) is not None:
            sock, message = passed
            sock.settimeout(0)
            try:
                address = sock.getpeername()
            except OSError:
                sock.close()  # the client is gone
            else:
                self._add(sock, address, message[0])

    def has_other(self) -> bool:
        """Return whether another worker serves."""
        return self._slot is not None and self._slots.least_loaded(self._slot) is not None

    def hand_over(self, connection: Connection) -> bool:
        """Pass an idle connection to another worker, and return whether that was possible."""
        flags = connection.is_authenticated * IS_AUTHENTICATED
        flags |= bool(connection.requests) * HAS_SERVED
        if self._slot is None or connection.phase is not Phase.IDLE:
            return False
        return self._send(connection.sock, self._slots.least_loaded(self._slot), flags)

    def stop(self) -> None:
        """Accept what has been connected so far, and no more."""
        self.enter(State.STOPPING)
        for listener in self._listeners:
            self.accept(listener)
            listener.close()

    def _target(self, slot: int) -> int | None:
        """Return the slot that should have a new connection, if it is another one."""
        if self._slots.state(slot) is State.SERVING:
            return self._slots.less_loaded(slot)
        return self._slots.least_loaded(slot)

    def _send(self, sock: socket.socket, to: int | None, flags: int) -> bool:
        if self._slot is None or to is None:
            return False
        return self._slots.send(sock, self._slot, to, bytes([flags]))
