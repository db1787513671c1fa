"""What a worker process does: one polling thread, and threads that answer requests.

The polling thread receives requests. Only a request that is complete gets a thread, or one whose
body is too large to be kept in memory. So a slow client holds a socket and some memory, and no
thread. The same thread sends what is left of an answer that the client takes slowly.
"""

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from serving.acceptor import HAS_SERVED, IS_AUTHENTICATED, Acceptor
from serving.answering import answer
from serving.closing import LINGERING_SECONDS, SHORT_SECONDS, Closer
from serving.connection import Connection, Phase
from serving.connections import Connections
from serving.limits import read_limits
from serving.outgoing import ClientGoneError
from serving.pace import Pace
from serving.poller import READ, WRITE, Poller
from serving.problems import CUT_OFF
from serving.readiness import wait_until_ready
from serving.receiving import Receiver
from serving.slots import State
from serving.threads import HEALTH_PATHS, Threads

TICK_SECONDS = 0.5
"""How often deadlines are checked."""

RECEIVE_BYTES = 1 << 16
STOP_SECONDS = 0.3
"""How long a stopping worker waits for connections that others have just passed to it."""

RETIRED_SECONDS = 3600
"""How long a worker that was replaced may finish its requests, such as a large import."""


class Loop:
    """Polls the connections of a worker until the worker is told to stop, and has finished."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self.cfg = worker.cfg
        self.log = worker.log
        self._limits = read_limits()
        self._connections = Connections(self._limits, self.cfg)
        self._acceptor = Acceptor(worker, self._add)
        self._poller = Poller()
        self._closer = Closer(self._poller, self._connections, self._acceptor.report, self.log)
        self._receiver = Receiver(
            self.cfg, self._limits, self._connections, self._closer, self._dispatch
        )
        self._answered: deque[Connection] = deque()
        self._threads = Threads("request", self.cfg.threads, self._answer)
        self._threads_of = {path: Threads(path, 1, self._answer) for path in HEALTH_PATHS}
        self._next_tick = time.monotonic() + TICK_SECONDS
        self._stopped_at: float | None = None

    def is_closing(self) -> bool:
        """Return whether an answer that begins now is the last on its connection."""
        if not self.cfg.keepalive:
            return True
        return not (self._worker.alive or self._acceptor.has_other())

    def waiting(self) -> AbstractContextManager[None]:
        """Let another thread answer requests while a request waits for others to end."""
        return self._threads.waiting()

    def run(self) -> None:
        """Serve until the worker is told to stop, then finish."""
        self._poller.listen(self._worker.PIPE[0], self._wake)
        if self._worker.is_replacement:
            wait_until_ready(self._worker, self._limits, self._acceptor.has_other)
        for sock, take in self._acceptor.sources():
            self._poller.listen(sock, take)
        self._acceptor.report(0)
        self._acceptor.enter(State.SERVING)
        while not self._is_finished():
            self._worker.notify()
            self._poll()
            if self._worker.ppid != os.getppid():
                self._worker.alive = False
            if not self._worker.alive and self._stopped_at is None:
                self._stop()
        for connection in self._connections:
            self._closer.close(connection)

    def _stop(self) -> None:
        """Accept no more. Idle connections go to another worker, or get little time."""
        self._stopped_at = time.monotonic()
        for listener in self._worker.sockets:
            self._poller.ignore(listener)
        with contextlib.suppress(OSError):
            self._acceptor.stop()
        for connection in self._connections:
            if connection.phase is Phase.IDLE:
                self._idle(connection)

    def _is_finished(self) -> bool:
        if self._stopped_at is None:
            return False
        seconds = time.monotonic() - self._stopped_at
        if seconds < STOP_SECONDS:
            return False
        most = RETIRED_SECONDS if self._acceptor.has_other() else self.cfg.graceful_timeout
        return seconds > most or not len(self._connections)

    def _poll(self) -> None:
        seconds = max(self._next_tick - time.monotonic(), 0)
        for key, mask in self._poller.poll(seconds):
            if isinstance(key.data, Connection):
                with self._closing_on_error(key.data):
                    self._handle(key.data, mask)
            else:
                self._take_from(key.data, key.fileobj)
        while self._answered:
            connection = self._answered.popleft()
            with self._closing_on_error(connection):
                self._finish(connection)
        if time.monotonic() >= self._next_tick:
            self._check_deadlines()

    @contextlib.contextmanager
    def _closing_on_error(self, connection: Connection) -> Iterator[None]:
        """Let an error on one connection end that connection alone."""
        try:
            yield
        except ClientGoneError:
            self._closer.close(connection)
        except Exception:
            self.log.exception("A connection failed.")
            self._closer.close(connection)

    def _wake(self, reader: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(reader, 4096)

    def _take_from(self, take: Callable[[Any], None], source: Any) -> None:
        try:
            take(source)
        except OSError as error:
            self.log.warning("A connection cannot be accepted, errno %s.", error.errno)
            if (oldest := self._connections.longest_waiting()) is not None:
                self._closer.evict(oldest)
            else:
                time.sleep(0.01)

    def _add(self, sock: socket.socket, address: Any, flags: int) -> None:
        if sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        deadline = time.monotonic() + self._limits.header_seconds
        connection = Connection(sock, address, sock.getsockname(), deadline)
        connection.is_authenticated = bool(flags & IS_AUTHENTICATED)
        if flags & HAS_SERVED:
            connection.requests = 1
            connection.deadline = self._idle_deadline()
        self._connections.add(connection)
        self._acceptor.report(len(self._connections))
        self._poller.watch(connection, READ)
        if (exceeding := self._connections.exceeding(connection)) is not None:
            self._closer.evict(exceeding)

    def _handle(self, connection: Connection, mask: int) -> None:
        if not connection.events & mask:
            return  # closed, or no longer watched, since the poller returned
        if connection.phase is Phase.RUNNING:
            self._poller.watch(connection, 0)
        elif connection.phase is Phase.SENDING:
            self._send_left(connection)
        else:
            self._receive(connection)

    def _receive(self, connection: Connection) -> None:
        try:
            received = connection.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._closer.close(connection)
            return
        if connection.phase is Phase.LINGERING:
            if not received:
                self._closer.close(connection)
        elif received:
            self._receiver.take(connection, received)
            self._make_room_in_buffers()
        elif connection.phase is Phase.IDLE:
            self._closer.close(connection)
        else:
            self._closer.refuse(connection, CUT_OFF)

    def _dispatch(self, connection: Connection) -> None:
        """Have a thread answer the connection's request."""
        connection.phase = Phase.RUNNING
        if connection.body_is_streamed:
            self._poller.watch(connection, 0)
        self._threads_of.get(connection.request.path, self._threads).submit(connection)  # type: ignore[union-attr]

    def _make_room_in_buffers(self) -> None:
        """Close the connection whose request or answer has taken longest, if too much is kept."""
        if (overflowing := self._connections.overflowing()) is not None:
            self._closer.evict(overflowing)

    def _answer(self, connection: Connection) -> None:
        """Answer a request. Runs in a thread."""
        answer(connection, self._worker.wsgi, self)
        self._answered.append(connection)
        with contextlib.suppress(BlockingIOError):
            os.write(self._worker.PIPE[1], b".")

    def _finish(self, connection: Connection) -> None:
        self._connections.release_buffer(connection)
        self._count_request(connection)
        if connection.is_broken:
            self._closer.abort(connection)
        elif connection.outgoing is not None and connection.outgoing.left:
            connection.phase = Phase.SENDING
            connection.pace = Pace(self._limits, time.monotonic())
            connection.since, connection.deadline = time.monotonic(), connection.pace.deadline
            self._connections.buffer(connection, len(connection.outgoing.left))
            self._poller.watch(connection, WRITE)
            self._make_room_in_buffers()
        else:
            self._go_on(connection)

    def _count_request(self, connection: Connection) -> None:
        connection.requests += 1
        if connection.is_authenticated:
            self._connections.trust(connection)
        self._worker.nr += 1
        if self._worker.nr >= self._worker.max_requests:
            self._worker.alive = False

    def _send_left(self, connection: Connection) -> None:
        assert connection.outgoing is not None  # noqa: S101
        assert connection.pace is not None  # noqa: S101
        connection.pace.record(connection.outgoing.send_left(), time.monotonic())
        connection.deadline = connection.pace.deadline
        if not connection.outgoing.left:
            self._connections.release_buffer(connection)
            self._go_on(connection)

    def _go_on(self, connection: Connection) -> None:
        """Wait for the next request, which may have come together with the last one."""
        if connection.must_close:
            self._closer.linger(
                connection, LINGERING_SECONDS if connection.body_is_streamed else SHORT_SECONDS
            )
            return
        pipelined = connection.source.take_buffered() if connection.source is not None else b""
        connection.begin_idling(time.monotonic())
        if pipelined:
            self._poller.watch(connection, READ)
            self._receiver.take(connection, pipelined)
        else:
            self._idle(connection)

    def _idle(self, connection: Connection) -> None:
        """Wait for the next request, or have another worker wait if this one is stopping."""
        if not self._worker.alive and self._acceptor.hand_over(connection):
            self._closer.close(connection)
        else:
            connection.deadline = self._idle_deadline()
            self._poller.watch(connection, READ)

    def _idle_deadline(self) -> float:
        seconds = float(self.cfg.keepalive)
        if not self._worker.alive:
            seconds = min(seconds, self._limits.linger_seconds)
        return time.monotonic() + seconds

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        self._next_tick = now + TICK_SECONDS
        self._acceptor.report(len(self._connections))
        for connection in self._connections:
            if connection.phase is not Phase.RUNNING and now >= connection.deadline:
                with self._closing_on_error(connection):
                    self._closer.expire(connection)
