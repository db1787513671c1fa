"""One client's connection, and the request that is being received or answered on it."""

import enum
import socket
import time
from collections.abc import Callable
from typing import Any

from gunicorn.http.errors import NoMoreData
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader

from serving.framing import ChunkScanner, IncompleteError
from serving.outgoing import Outgoing
from serving.pace import Pace


class Phase(enum.Enum):
    """What a connection is doing."""

    IDLE = enum.auto()
    """It waits for the first byte of a request."""

    HEAD = enum.auto()
    """It has sent a part of a request's head."""

    BODY = enum.auto()
    """It has sent a part of a body that is read before the request gets a thread."""

    RUNNING = enum.auto()
    """A thread answers its request."""

    SENDING = enum.auto()
    """The rest of an answer is sent as fast as the client takes it."""

    LINGERING = enum.auto()
    """Everything was sent. What still comes is discarded, so that the client reads the answer."""


WAITING = frozenset({Phase.IDLE, Phase.HEAD, Phase.BODY, Phase.LINGERING})
"""The connection waits for its client, and may be closed in favour of another."""


class BodyTooSlowError(TimeoutError):
    """A body came at less than the minimum rate."""


class Connection:
    """A connection. The polling thread has it, except while its request is running."""

    def __init__(
        self, sock: socket.socket, address: Any, server_address: Any, deadline: float
    ) -> None:
        self.sock = sock
        self.address = address
        self.server_address = server_address
        self.phase = Phase.IDLE
        self.since = time.monotonic()
        """When the current phase of waiting began; with a request, when its first byte came."""

        self.deadline = deadline
        self.events = 0
        """What the poller watches for."""

        self.counted_for: str | None = None
        """The address whose limit of unauthenticated connections counts this one."""

        self.is_authenticated = False
        self.requests = 0
        self.received = bytearray()
        self.buffered = 0
        """Bytes of the request that count towards the worker's buffers."""

        self.request: Request | None = None
        self.source: Source | None = None
        self.body_length: int | None = None
        self.chunks: ChunkScanner | None = None
        self.pace: Pace | None = None
        self.outgoing: Outgoing | None = None
        self.must_close = False
        """The answer that is being sent is the last one."""

        self.body_is_streamed = False
        self.body_was_too_slow = False
        self.is_broken = False
        """An answer was begun that cannot be finished."""

    def begin_idling(self, now: float) -> None:
        """Forget the last request."""
        self.phase = Phase.IDLE
        self.since = now
        self.received = bytearray()
        self.request = self.source = self.body_length = self.chunks = None
        self.pace = self.outgoing = None
        self.body_is_streamed = self.body_was_too_slow = False

    def has_whole_body(self) -> bool:
        """Return whether `received` contains all of the request's body."""
        if self.chunks is not None:
            return self.chunks.is_complete(self.received)
        return self.body_length is None or len(self.received) >= self.body_length

    def read_more(self, size: int) -> bytes:
        """Return more of a streamed body. Runs in a thread.

        Raises `BodyTooSlowError` if the client does not keep the minimum rate, and `NoMoreData` if
        it ends the connection: what is read from here is always a part of the body.
        """
        assert self.pace is not None  # noqa: S101
        began = time.monotonic()
        self.pace.postpone(began - self.since)
        try:
            self.sock.settimeout(max(self.pace.deadline - began, 0.001))
            received = self.sock.recv(size)
        except TimeoutError:
            self.body_was_too_slow = True
            raise BodyTooSlowError("The body arrived too slowly.") from None
        finally:
            self.sock.settimeout(0)
            self.since = time.monotonic()
        if not received:
            raise NoMoreData
        self.pace.record(len(received), self.since)
        return received


class Source(Unreader):  # type: ignore[misc]
    """What gunicorn's parser reads from: what was received, then what `more` returns.

    Without `more`, a parser that needs more has found a head that is not complete, or a body that
    is not well-formed.
    """

    def __init__(self, received: bytes | bytearray) -> None:
        super().__init__()
        self.buf.write(received)
        self.more: Callable[[int], bytes] | None = None

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return bytes that have not been read yet."""
        if self.more is None:
            raise IncompleteError
        return self.more(min(max(size_hint or 0, 8192), 1 << 20))
