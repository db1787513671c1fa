"""Send answers without waiting for slow clients."""

import select
import socket
import time

from serving.limits import Limits
from serving.pace import Pace

MOST_LEFT_BYTES = 1 << 20


class ClientGoneError(OSError):
    """The client does not take the answer."""


class ClientTooSlowError(ClientGoneError):
    """The client takes the answer at less than the minimum rate."""


class Outgoing:
    """The socket as gunicorn's `Response` sees it.

    It sends what the client takes at once. The rest, up to `MOST_LEFT_BYTES`, is left for the
    polling thread; the working thread waits only for a longer answer. The header fields are sent
    together with the first part of the body.
    """

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self._sock = sock
        self._limits = limits
        self._held = b""
        self.has_begun = False
        self.left = bytearray()

    def send(self, data: bytes) -> int:
        """Send an interim response, such as 100 Continue, at once."""
        self._send(data)
        return len(data)

    def sendall(self, data: bytes) -> None:
        """Send a part of the answer."""
        if not self.has_begun:
            self.has_begun = True
            self._held = data
        else:
            self._send(self._take_held() + data)

    def finish(self) -> None:
        """Send what was held back."""
        if held := self._take_held():
            self._send(held)

    def send_left(self) -> int:
        """Send as much of the rest as the client takes, and return how much."""
        sent = self._send_some(self.left[: 1 << 18])
        del self.left[:sent]
        return sent

    def _take_held(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def _send(self, data: bytes) -> None:
        if not self.left:
            sent = self._send_some(data)
            if sent == len(data):
                return
            data = data[sent:]
        self.left += data
        while self.left and self.send_left():
            pass
        if len(self.left) > MOST_LEFT_BYTES:
            self._wait_until_few_are_left()

    def _send_some(self, data: bytes | bytearray) -> int:
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ClientGoneError(error.errno, "The client is gone.") from None

    def _wait_until_few_are_left(self) -> None:
        pace = Pace(self._limits, time.monotonic())
        poll = select.poll()
        poll.register(self._sock, select.POLLOUT)
        while len(self.left) > MOST_LEFT_BYTES // 2:
            seconds = pace.deadline - time.monotonic()
            if seconds <= 0 or not poll.poll(seconds * 1000):
                raise ClientTooSlowError("The client takes the answer too slowly.")
            pace.record(self.send_left(), time.monotonic())
