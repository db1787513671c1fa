"""A cheap HTTP load generator: one process, keep-alive connections, one open request on each.

It runs as a program that reads a `Load` as JSON and prints an `Outcome` as JSON. It uses only the
standard library, and takes some 20 µs of CPU per request.
"""

import json
import os
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from typing import Any

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
DRAIN_SECONDS = 10


@dataclass(frozen=True)
class Load:
    """Requests to send in turn for `seconds`, or until `most` have been sent."""

    port: int
    requests: list[str]
    status: int
    seconds: float
    connections: int = 4
    core: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class Outcome:
    """The results of a load."""

    requests: int
    seconds: float
    client_cpu_seconds: float
    median_ms: float
    p95_ms: float
    p99_ms: float


def run_load(load: Load) -> Outcome:
    """Run a load in a separate process, and return its results."""
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(asdict(load)),
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise SystemExit(finished.stderr)
    return Outcome(**json.loads(finished.stdout))


def compose_request(
    method: str, path: str, token: str, body: str = "", headers: Mapping[str, str] | None = None
) -> str:
    """Return an HTTP request. `headers` are added; `Host` replaces the usual one."""
    fields = {"Host": "127.0.0.1", "Authorization": f"Bearer {token}", **(headers or {})}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body.encode())}"]
    return "\r\n".join([*lines, "", body])


class _Client:
    def __init__(self, load: Load) -> None:
        self._requests = islice(cycle([one.encode() for one in load.requests]), load.most)
        self._expected = f"HTTP/1.1 {load.status} ".encode()
        self._selector = selectors.DefaultSelector()
        self._received: dict[socket.socket, bytes] = {}
        self._sent_at: dict[socket.socket, float] = {}
        self._latencies: list[float] = []
        for _ in range(load.connections):
            connected = socket.create_connection(("127.0.0.1", load.port), timeout=DRAIN_SECONDS)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(connected, selectors.EVENT_READ)

    def run(self, seconds: float) -> dict[str, Any]:
        cpu, begun = time.process_time(), time.perf_counter()
        deadline = begun + seconds
        for key in list(self._selector.get_map().values()):
            self._send(key.fileobj)  # type: ignore[arg-type]
        while self._sent_at:
            ready = self._selector.select(DRAIN_SECONDS)
            if not ready:
                raise SystemExit(f"The server sent nothing for {DRAIN_SECONDS} seconds.")
            for key, _ in ready:
                connected: Any = key.fileobj
                if self._take(connected) and time.perf_counter() < deadline:
                    self._send(connected)
        elapsed = time.perf_counter() - begun
        self._latencies.sort()
        number = len(self._latencies)
        return asdict(
            Outcome(
                requests=number,
                seconds=elapsed,
                client_cpu_seconds=time.process_time() - cpu,
                median_ms=self._latencies[number // 2] * 1000,
                p95_ms=self._latencies[int(number * 0.95)] * 1000,
                p99_ms=self._latencies[int(number * 0.99)] * 1000,
            )
        )

    def _send(self, connected: socket.socket) -> None:
        request = next(self._requests, None)
        if request is None:
            return
        self._received[connected] = b""
        self._sent_at[connected] = time.perf_counter()
        connected.sendall(request)

    def _take(self, connected: socket.socket) -> bool:
        """Read more of a response, and return whether it is complete."""
        chunk = connected.recv(262_144)
        if not chunk:
            raise SystemExit("The server closed a connection.")
        received = self._received[connected] + chunk
        self._received[connected] = received
        end = received.find(b"\r\n\r\n")
        length = CONTENT_LENGTH.search(received, 0, end) if end > 0 else None
        if length is None or len(received) < end + 4 + int(length.group(1)):
            return False
        if not received.startswith(self._expected):
            raise SystemExit(f"The server answered: {received[:600].decode(errors='replace')}")
        self._latencies.append(time.perf_counter() - self._sent_at.pop(connected))
        return True


def _main() -> None:
    load = Load(**json.load(sys.stdin))
    if load.core is not None:
        os.sched_setaffinity(0, {load.core})
    print(json.dumps(_Client(load).run(load.seconds)))


if __name__ == "__main__":
    _main()
