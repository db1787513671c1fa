"""Connections whose calls end: a watchdog closes the socket of one that gets no answer.

libpq waits without limit for the answer to a statement. A peer that is frozen still acknowledges
TCP packets, so no option of the network notices it, and `statement_timeout` works in the server
only. So one thread of each process looks at all connections that wait for an answer. It shuts the
socket down when the deadline has passed, or when the server does not know of the statement.
"""

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from psycopg2 import OperationalError
from psycopg2.extensions import connection, cursor

if TYPE_CHECKING:
    from trially.database.server_health import ServerHealth

SCAN_SECONDS = 0.1
TIDY_SECONDS = 0.5
STALL_SECONDS = 1.0
"""A statement that has no answer after this time is asked about through a new connection."""

GRACE_SECONDS = 1.0
"""How long after the deadline the socket is closed: the server's own limit should apply first."""


class DeadlineExceededError(OperationalError):
    """The statement got no answer before its deadline, so its connection was closed."""


class SilentServerError(OperationalError):
    """The server has no such statement running, or does not answer: the connection was closed."""


class WatchedCursor(cursor):
    """A cursor whose calls the watchdog observes."""

    connection: "WatchedConnection"

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002
        """Send a statement and wait for its answer."""
        with Awaiting(self.connection):
            super().execute(query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        """Send a statement once for each set of parameters."""
        with Awaiting(self.connection):
            super().executemany(query, vars_list)

    def callproc(self, procname: Any, parameters: Any = None) -> Any:
        """Call a function."""
        with Awaiting(self.connection):
            return super().callproc(procname, parameters)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        """Send a COPY statement."""
        with Awaiting(self.connection):
            super().copy_expert(sql, file, size)

    def copy_from(self, *args: Any, **options: Any) -> None:
        """Copy a file into a table."""
        with Awaiting(self.connection):
            super().copy_from(*args, **options)

    def copy_to(self, *args: Any, **options: Any) -> None:
        """Copy a table into a file."""
        with Awaiting(self.connection):
            super().copy_to(*args, **options)


class WatchedConnection(connection):
    """A connection that the watchdog observes from its first statement to its end."""

    cursor_class: type[WatchedCursor] = WatchedCursor

    longest_seconds: float = 3600.0
    """How long a statement may take if no deadline is set."""

    stall_seconds: float = STALL_SECONDS
    """How long a statement may have no answer until the server is asked about it."""

    longest_doubt_seconds: float = float("inf")
    """How long the server may take to say that it runs the statement."""

    probe_seconds: int = 15
    """How long the server may take to accept the connection that asks, and then to answer.

    A command can wait. A request cannot, so its connections have a smaller limit.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cursor_factory = self.cursor_class
        self.opened_at = time.monotonic()
        self.backend_pid = self.info.backend_pid
        self.waiting_since: float | None = None
        """When the current statement was sent; None while no answer is awaited."""

        self.deadline: float | None = None
        """`time.monotonic()` by which the current transaction must end, if that is limited."""

        self.probe_at = 0.0
        """When the server is asked about the current statement; infinite while it is asked."""

        self.cut_by: OperationalError | None = None
        """The error of the call that the watchdog interrupted."""

        self.waited_seconds = 0.0
        """How long calls have waited for answers."""

        self.health: ServerHealth | None = None
        """What this process knows of the connection's server, if it keeps account of that."""

        self._socket: int | None = os.dup(self.fileno())
        # A copy of the descriptor, so that the watchdog cannot meet another socket of its number.
        watchdog.watch(self)

    def commit(self) -> None:
        """Commit, and wait for the answer."""
        with Awaiting(self):
            super().commit()

    def rollback(self) -> None:
        """Roll back, and wait for the answer."""
        with Awaiting(self):
            super().rollback()

    def close(self) -> None:
        """Close the connection."""
        super().close()
        self._forget_socket()

    def cut(self, error: OperationalError) -> None:
        """Make the call that waits on this connection fail with `error`."""
        if self._socket is None:
            return
        self.cut_by = error
        try:
            with socket.socket(fileno=os.dup(self._socket)) as copy:
                copy.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # The connection was lost in the meantime.

    def give_up(self, *, is_server_silent: bool) -> None:
        """Make the call that waits fail, because the server does not answer it."""
        if self.health is not None:
            self.health.record_dead_connection(is_server_silent=is_server_silent)
        self.cut(SilentServerError("The server does not answer on this connection."))

    def has_answer(self) -> bool:
        """Return whether bytes have arrived that no call has read yet."""
        if self._socket is None:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def ends_at(self, since: float) -> float:
        """Return when a statement that was sent at `since` must have got its answer."""
        if self.deadline is None:
            return since + self.longest_seconds
        return max(self.deadline, since) + GRACE_SECONDS

    def _forget_socket(self) -> None:
        copy, self._socket = self._socket, None
        if copy is not None:
            os.close(copy)

    def __del__(self) -> None:
        if getattr(self, "_socket", None) is not None:
            self._forget_socket()


class Awaiting:
    """Marks a connection as waiting for an answer, for the time of a `with` block."""

    __slots__ = ("_connection",)

    def __init__(self, waiting: WatchedConnection) -> None:
        self._connection = waiting

    def __enter__(self) -> None:
        now = time.monotonic()
        self._connection.probe_at = now + self._connection.stall_seconds
        self._connection.waiting_since = now

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        waiting = self._connection
        if waiting.waiting_since is not None:
            waiting.waited_seconds += time.monotonic() - waiting.waiting_since
        waiting.waiting_since = None
        if kind is not None and self._connection.cut_by is not None:
            raise self._connection.cut_by from error


class Watchdog:
    """The thread of a process that observes its connections.

    `ask_about` gets the stalled connections of one login, each with the time at which its statement
    was sent. It runs in a thread of its own.
    """

    def __init__(self) -> None:
        self.ask_about: Callable[[list[tuple[WatchedConnection, float]]], None] = lambda _: None
        self._lock = threading.Lock()
        self._is_running = False
        self._connections: WeakValueDictionary[int, WatchedConnection] = WeakValueDictionary()
        self._tidied: WeakValueDictionary[int, Any] = WeakValueDictionary()

    def watch(self, watched: WatchedConnection) -> None:
        """Observe a connection until it is garbage."""
        self._connections[id(watched)] = watched
        self._start()

    def tidy_regularly(self, tidied: Any) -> None:
        """Call the method `tidy` of an object about twice a second, until it is garbage."""
        self._tidied[id(tidied)] = tidied
        self._start()

    def start_anew(self) -> None:
        """Forget everything: a forked process has none of its parent's threads and connections."""
        self._lock = threading.Lock()
        self._is_running = False
        self._connections = WeakValueDictionary()
        self._tidied = WeakValueDictionary()

    def _start(self) -> None:
        with self._lock:
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def _run(self) -> None:
        scans = 0
        while True:
            time.sleep(SCAN_SECONDS)
            self._scan(time.monotonic())
            scans += 1
            if scans * SCAN_SECONDS >= TIDY_SECONDS:
                scans = 0
                self._tidy()
            with self._lock:
                if not (self._connections or self._tidied):
                    self._is_running = False
                    return

    def _scan(self, now: float) -> None:
        stalled: dict[Any, list[tuple[WatchedConnection, float]]] = {}
        for reference in self._connections.valuerefs():
            watched = reference()
            since = watched.waiting_since if watched is not None else None
            if watched is None or since is None or watched.cut_by is not None:
                continue
            if now >= watched.ends_at(since):
                watched.cut(DeadlineExceededError("The statement got no answer in time."))
            elif watched.probe_at == float("inf"):
                if now >= since + watched.stall_seconds + watched.longest_doubt_seconds:
                    watched.give_up(is_server_silent=True)
            elif now >= watched.probe_at:
                watched.probe_at = float("inf")
                stalled.setdefault(_login_of(watched), []).append((watched, since))
        for each in stalled.values():
            threading.Thread(target=self.ask_about, args=(each,), name="probe", daemon=True).start()

    def _tidy(self) -> None:
        for reference in self._tidied.valuerefs():
            tidied = reference()
            if tidied is not None:
                tidied.tidy()


def _login_of(watched: WatchedConnection) -> tuple[str, int, str, str]:
    info = watched.info
    return info.host, info.port, info.dbname, info.user


watchdog = Watchdog()
"""The watchdog of this process."""

os.register_at_fork(after_in_child=watchdog.start_anew)
