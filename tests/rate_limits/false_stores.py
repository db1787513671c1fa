"""Stores that do not keep counts: dead, frozen, slow or lying ones."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager


def dead_store() -> str:
    """Return the URL of a port at which nothing listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return url_of(listener)


@contextmanager
def frozen_store() -> Iterator[str]:
    """A server that accepts connections and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield url_of(listener)


@contextmanager
def answering(*replies: bytes, pause: float = 0.0) -> Iterator[str]:
    """A server that answers with these replies in turn, the last one for ever.

    `pause` are the seconds between two bytes.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=_serve, args=(listener, replies, pause), daemon=True).start()
        yield url_of(listener)
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def url_of(listener: socket.socket) -> str:
    return f"valkey://127.0.0.1:{listener.getsockname()[1]}"


def _serve(listener: socket.socket, replies: tuple[bytes, ...], pause: float) -> None:
    left = list(replies)
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_talk, args=(client, left, pause), daemon=True).start()


def _talk(client: socket.socket, left: list[bytes], pause: float) -> None:
    with contextlib.suppress(OSError), closing(client):
        while command := client.recv(65_536):
            reply = b"+OK\r\n" * command.count(b"SETINFO")
            if not reply:
                reply = left.pop(0) if len(left) > 1 else left[0]
            for byte in [reply] if not pause else [bytes([each]) for each in reply]:
                client.sendall(byte)
                time.sleep(pause)
