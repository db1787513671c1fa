"""Receive requests in the polling thread, until they are complete."""

import time
from collections.abc import Callable
from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request

from serving.closing import Closer
from serving.connection import Connection, Phase, Source
from serving.connections import Connections
from serving.framing import HEAD_END, ChunkScanner, IncompleteError, has_bare_newline
from serving.limits import MOST_HEAD_BYTES, Limits
from serving.outgoing import Outgoing
from serving.pace import Pace
from serving.problems import (
    BARE_NEWLINE,
    HEADERS_TOO_LARGE,
    URI_TOO_LONG,
    Problem,
    name_limits,
    problem_of,
)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Receiver:
    """Takes what clients send, and dispatches requests that are complete."""

    def __init__(
        self,
        config: Any,
        limits: Limits,
        connections: Connections,
        closer: Closer,
        dispatch: Callable[[Connection], None],
    ) -> None:
        self._config = config
        self._limits = limits
        self._connections = connections
        self._closer = closer
        self._dispatch = dispatch

    def take(self, connection: Connection, received: bytes) -> None:
        """Take what was received on a connection that waits for its client."""
        if connection.phase is Phase.IDLE:
            self._begin_head(connection)
        begin = len(connection.received)
        connection.received += received
        self._connections.buffer(connection, len(received))
        if connection.phase is Phase.HEAD:
            self._take_head(connection, begin)
        elif connection.phase is Phase.BODY:
            self._take_body(connection, len(received))

    def _begin_head(self, connection: Connection) -> None:
        connection.phase = Phase.HEAD
        connection.since = time.monotonic()
        if connection.requests:
            connection.deadline = connection.since + self._limits.header_seconds

    def _take_head(self, connection: Connection, begin: int) -> None:
        end = connection.received.find(HEAD_END, max(begin - 3, 0))
        if end >= 0 and end <= MOST_HEAD_BYTES:
            self._parse_head(connection)
        elif problem := self._fault_of_head(connection.received, begin):
            self._closer.refuse(connection, problem)

    def _fault_of_head(self, received: bytearray, begin: int) -> Problem | None:
        """Return what is wrong with a head that is not complete, or is too long."""
        line_end = received.find(b"\r\n", 2)
        limit = self._config.limit_request_line
        if (len(received) if line_end < 0 else line_end) > limit + 2:
            return name_limits(URI_TOO_LONG, self._config)
        if len(received) > MOST_HEAD_BYTES:
            return name_limits(HEADERS_TOO_LARGE, self._config)
        return BARE_NEWLINE if has_bare_newline(received, begin) else None

    def _parse_head(self, connection: Connection) -> None:
        source = Source(connection.received)
        number = connection.requests + 1
        try:
            request = Request(self._config, source, connection.address, number)
        except IncompleteError:
            return
        except ParseException as error:
            problem = name_limits(problem_of(error), self._config)
            self._closer.refuse(connection, problem, getattr(error, "req", None))
            return
        connection.request, connection.source = request, source
        connection.outgoing = Outgoing(connection.sock, self._limits)
        reader = request.body.reader
        if isinstance(reader, ChunkedReader):
            connection.chunks = ChunkScanner()
        elif not reader.length:
            self._dispatch(connection)
            return
        else:
            connection.body_length = reader.length
        self._begin_body(connection)

    def _begin_body(self, connection: Connection) -> None:
        assert connection.source is not None  # noqa: S101
        assert connection.request is not None  # noqa: S101
        limits, now = self._limits, time.monotonic()
        connection.received = bytearray(connection.source.take_buffered())
        connection.pace = Pace(limits, now, limits.body_seconds)
        connection.phase = Phase.BODY
        is_large = (connection.body_length or 0) > limits.body_bytes
        if connection.request._expected_100_continue and not is_large:  # noqa: SLF001
            connection.request._expected_100_continue = False  # noqa: SLF001
            if not connection.received:
                connection.outgoing.send(CONTINUE)  # type: ignore[union-attr]
        self._take_body(connection, len(connection.received))

    def _take_body(self, connection: Connection, size: int) -> None:
        assert connection.pace is not None  # noqa: S101
        connection.pace.record(size, time.monotonic())
        connection.deadline = connection.pace.deadline
        limit = self._limits.body_bytes
        if connection.has_whole_body():
            self._dispatch_with_body(connection, is_streamed=False)
        elif (connection.body_length or len(connection.received)) > limit:
            self._dispatch_with_body(connection, is_streamed=True)

    def _dispatch_with_body(self, connection: Connection, *, is_streamed: bool) -> None:
        assert connection.source is not None  # noqa: S101
        connection.source.unread(bytes(connection.received))
        connection.received = bytearray()
        connection.body_is_streamed = is_streamed
        if is_streamed:
            connection.source.more = connection.read_more
            connection.pace = Pace(self._limits, time.monotonic())
        connection.since = time.monotonic()
        self._dispatch(connection)
