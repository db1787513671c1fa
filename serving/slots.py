"""What the workers of one master know of each other, in shared memory.

Each worker has a slot: its state, and how many connections it has. A worker passes a connection to
the one that has fewest, over the socket of that one's slot. Every number is written by one process
alone, so no lock is needed: a slot's load is what its worker has, plus what was sent to it by each
other slot, less what it has taken.
"""

import enum
import mmap
import os
import socket
import time
from functools import cache
from typing import Any

MOST_SLOTS = 64
"""Workers beyond these keep the connections that they accept."""

QUIET_SECONDS = 2.0
"""A worker that has not said for so long that it serves gets no connections from others."""


class State(enum.IntEnum):
    """What a worker does."""

    STARTING = 0
    SERVING = 1
    STOPPING = 2


class Slots:
    """The slots of all workers. The master makes them; workers inherit them."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8 * MOST_SLOTS * (4 + MOST_SLOTS))
        numbers = memoryview(self._memory).cast("q")
        parts = [numbers[begin * MOST_SLOTS : (begin + 1) * MOST_SLOTS] for begin in range(4)]
        self._states, self._beats, self._open, self._taken = parts
        self._sent = numbers[4 * MOST_SLOTS :]
        self._owners: list[Any] = [None] * MOST_SLOTS
        self._sockets = [_socket_pair() for _ in range(MOST_SLOTS)]

    def assign(self, worker: Any) -> int | None:
        """Give a worker a slot whose last worker has ended. Runs in the master."""
        for number in range(MOST_SLOTS):
            if not _is_alive(self._owners[number]):
                self._owners[number] = worker
                self._states[number] = State.STARTING
                self._open[number] = self._beats[number] = 0
                return number
        return None

    def release(self, number: int) -> None:
        """Pass what was sent to an ended worker, and not taken, to others. Runs in the master."""
        self._states[number] = State.STOPPING
        while (passed := self.take(number)) is not None:
            sock, message = passed
            to = self.least_loaded(number)
            if to is not None:
                self.send(sock, number, to, message)
            sock.close()

    def state(self, number: int) -> State:
        """Return what a slot's worker does."""
        return State(self._states[number])

    def enter(self, number: int, state: State) -> None:
        """Say what this worker does from now on."""
        self._states[number] = state

    def report(self, number: int, connections: int) -> None:
        """Say that this worker is alive, and how many connections it has."""
        self._open[number] = connections
        self._beats[number] = time.monotonic_ns()

    def less_loaded(self, number: int) -> int | None:
        """Return the slot with the fewest connections, if it has fewer than this one."""
        best = self.least_loaded(number)
        if best is None or self._load(best) >= self._load(number):
            return None
        return best

    def least_loaded(self, number: int) -> int | None:
        """Return the slot with the fewest connections of all others that serve, if there is one."""
        others = (each for each in range(MOST_SLOTS) if self._takes_connections(each))
        return min((each for each in others if each != number), key=self._load, default=None)

    def send(self, sock: socket.socket, number: int, to: int, message: bytes) -> bool:
        """Pass a connection to another slot's worker, and return whether that was possible."""
        cell = number * MOST_SLOTS + to
        self._sent[cell] += 1
        try:
            socket.send_fds(self._sockets[to][1], [message], [sock.fileno()])
        except OSError:
            self._sent[cell] -= 1
            return False
        return True

    def inbox(self, number: int) -> socket.socket:
        """Return the socket on which a slot's worker receives connections."""
        return self._sockets[number][0]

    def take(self, number: int) -> tuple[socket.socket, bytes] | None:
        """Return the next connection that was passed to this worker, and its message."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self.inbox(number), 1, 1)
        except BlockingIOError:
            return None
        self._taken[number] += 1
        return (socket.socket(fileno=descriptors[0]), message) if descriptors else None

    def _takes_connections(self, number: int) -> bool:
        quiet = time.monotonic_ns() - self._beats[number]
        return self._states[number] == State.SERVING and quiet < QUIET_SECONDS * 1e9

    def _load(self, number: int) -> int:
        sent = sum(self._sent[number::MOST_SLOTS])
        return self._open[number] + sent - self._taken[number]


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for each in pair:
        each.settimeout(0)
    return pair


def _is_alive(worker: Any) -> bool:
    """Return whether a worker's process exists. The master has not forked a new one yet."""
    if worker is None:
        return False
    if not isinstance(worker.pid, int):
        return True
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return False
    return True


@cache
def shared_slots() -> Slots:
    """Return the slots of this master's workers."""
    return Slots()
