"""Run gunicorn with the worker class of trially, and talk to it byte by byte."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil

from trially.config import ROOT

CONFIGURATION = Path(__file__).parent / "plain.conf.py"
TIMEOUT_SECONDS = 20


@dataclass
class Server:
    """A running gunicorn."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path
    gate: Path
    """Requests to /wait are answered when this file exists."""

    sockets: ExitStack = field(default_factory=ExitStack)

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """Open a connection from a loopback address. It is closed at the end of the test."""
        sock = socket.create_connection(
            ("127.0.0.1", self.port), TIMEOUT_SECONDS, source_address=(source, 0)
        )
        return self.sockets.enter_context(closing(sock))

    def keep(self) -> HTTPConnection:
        """Open a connection for several requests."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        return self.sockets.enter_context(closing(connection))

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Send one request on a connection of its own."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)) as one:
            one.request("GET", path, headers={**headers, "Connection": "close"})
            response = one.getresponse()
            return response.status, response.read().decode()

    def workers(self) -> list[int]:
        """Return the ids of the worker processes."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def send_signal(self, number: int) -> None:
        """Send a signal to the master."""
        self.process.send_signal(number)

    def count_connections(self) -> list[int]:
        """Return how many open connections each worker has, fewest first."""
        return sorted(
            sum(each.status != "LISTEN" for each in psutil.Process(worker).net_connections())
            for worker in self.workers()
        )


@dataclass(frozen=True)
class Answer:
    """A response as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> dict[str, Any]:
        """Return the problem, having checked that it has the members of trially's problems."""
        assert self.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = json.loads(self.body)
        assert set(problem) == {"type", "code", "title", "status", "detail", "request_id"}
        assert problem["status"] == self.status
        assert self.headers["x-request-id"] == problem["request_id"] != ""
        return problem


def read_answer(sock: socket.socket) -> Answer:
    """Read one response that has a Content-Length."""
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += _receive(sock, received)
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    length = int(headers["content-length"])
    while len(body) < length:
        body += _receive(sock, body)
    assert len(body) == length
    return Answer(int(first.split()[1]), headers, body)


def is_closed(sock: socket.socket) -> bool:
    """Wait for the server's next bytes, and return whether it has closed the connection."""
    with suppress(ConnectionError):
        return sock.recv(1) == b""
    return True


def _receive(sock: socket.socket, so_far: bytes | bytearray) -> bytes:
    received = sock.recv(65536)
    assert received, f"The connection was closed after {bytes(so_far)!r}."
    return received


@contextmanager
def serve(
    folder: Path, *options: str, app: str = "plain_app:app", **environment: str
) -> Iterator[Server]:
    """Serve `plain_app` until the block ends. Two threads are the default."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    gate = folder / "gate"
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"]
    command += ["--config", str(CONFIGURATION), *options, app]
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent), str(folder)])
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": path,
                "PYTHONDONTWRITEBYTECODE": "1",
                "GATE": str(gate),
                **environment,
            },
            cwd=folder,
            stdout=output,
            stderr=output,
        )
    server = Server(process, port, log, gate)
    try:
        wait_until(lambda: _answers(server), server)
        with server.sockets:
            yield server
    finally:
        process.kill()
        process.wait()


def wait_until(is_so: Callable[[], bool], server: Server) -> None:
    """Wait for something, and fail with the server's log if it does not happen."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not is_so():
        assert server.process.poll() is None, server.log.read_text()
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.02)


def _answers(server: Server) -> bool:
    with suppress(OSError):
        return server.get("/")[0] == 200
    return False
