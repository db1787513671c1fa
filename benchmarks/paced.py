"""A load at a fixed rate, in a process of its own, for as long as other work takes.

It runs as a program that reads a `PacedLoad` as the first line of its input, sends a request at
each tick, and prints all answers as JSON when its input ends. The time of an answer counts from the
tick, also if the connections were busy then.
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any

from benchmarks.load import CONTENT_LENGTH

CONNECTIONS = 8


@dataclass(frozen=True)
class PacedLoad:
    """Requests to send in turn."""

    port: int
    requests: list[str]
    per_second: float


@dataclass(frozen=True)
class Answer:
    """When a request was due, by the monotonic clock of the machine, and its answer."""

    due_at: float
    seconds: float
    status: int


def answers_during(load: PacedLoad, work: Callable[[], object]) -> list[Answer]:
    """Run a load while `work` runs, and return the answers to requests that were due then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.paced"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(load)) + "\n")
    process.stdin.flush()
    began = time.monotonic()
    work()
    ended = time.monotonic()
    printed, _ = process.communicate()
    answers = [Answer(*each) for each in json.loads(printed)]
    return [answer for answer in answers if began <= answer.due_at <= ended]


class _Client:
    def __init__(self, load: PacedLoad) -> None:
        self._requests = cycle([one.encode() for one in load.requests])
        self._pause = 1 / load.per_second
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._free: deque[socket.socket] = deque()
        self._received: dict[socket.socket, bytes] = {}
        self._due: dict[socket.socket, float] = {}
        self._answers: list[tuple[float, float, int]] = []
        for _ in range(CONNECTIONS):
            connected = socket.create_connection(("127.0.0.1", load.port))
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(connected, selectors.EVENT_READ)
            self._free.append(connected)

    def run(self) -> list[tuple[float, float, int]]:
        due = time.monotonic()
        while True:
            while self._free and time.monotonic() >= due:
                self._send(self._free.popleft(), due)
                due += self._pause
            wait = max(0.0, due - time.monotonic()) if self._free else None
            for key, _ in self._selector.select(wait):
                if key.fileobj is sys.stdin:
                    return self._answers
                self._take(key.fileobj)

    def _send(self, connected: socket.socket, due: float) -> None:
        self._received[connected] = b""
        self._due[connected] = due
        connected.sendall(next(self._requests))

    def _take(self, connected: Any) -> None:
        """Read more of an answer."""
        self._received[connected] += connected.recv(262_144)
        received = self._received[connected]
        end = received.find(b"\r\n\r\n")
        length = CONTENT_LENGTH.search(received, 0, end) if end > 0 else None
        if length is not None and len(received) >= end + 4 + int(length.group(1)):
            due = self._due.pop(connected)
            self._answers.append((due, time.monotonic() - due, int(received[9:12])))
            self._free.append(connected)


def _main() -> None:
    print(json.dumps(_Client(PacedLoad(**json.loads(sys.stdin.readline()))).run()))


if __name__ == "__main__":
    _main()
