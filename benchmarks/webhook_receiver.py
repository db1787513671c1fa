"""A receiver of webhooks in a process of its own: one that answers, or one that is silent."""

import multiprocessing
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Receiver:
    url: str
    received: Any
    """How many messages it has answered, shared with its process."""


@contextmanager
def receiver(*, is_silent: bool = False) -> Iterator[Receiver]:
    """Run a receiver on a free port of loopback."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    received = multiprocessing.Value("L", 0)
    process = multiprocessing.get_context("fork").Process(
        target=_be_silent if is_silent else _serve, args=(listening, received), daemon=True
    )
    process.start()
    port = listening.getsockname()[1]
    listening.close()
    try:
        yield Receiver(f"http://127.0.0.1:{port}/", received)
    finally:
        process.kill()
        process.join()


def _serve(listening: socket.socket, received: Any) -> None:
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=_answer, args=(connection, received), daemon=True).start()


def _be_silent(listening: socket.socket, _received: Any) -> None:
    kept = []
    while True:
        kept.append(listening.accept())


def _answer(connection: socket.socket, received: Any) -> None:
    """Answer each message: headers, then a body of the named length."""
    with connection, connection.makefile("rb") as lines:
        while True:
            length = 0
            line = lines.readline()
            if not line:
                return
            while (line := lines.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            lines.read(length)
            with received.get_lock():
                received.value += 1
            connection.sendall(ANSWER)
