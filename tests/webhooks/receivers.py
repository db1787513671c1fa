"""Receivers of webhooks on loopback, which record what they get."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
from flask import Flask

from trially.jobs.worker import Worker


@dataclass(frozen=True)
class Message:
    """A message that a receiver got."""

    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw)


@dataclass
class Receiver:
    """Answers with `status` and `headers`, after `wait` has returned."""

    url: str = ""
    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: Callable[[], object] = lambda: None
    messages: list[Message] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            receiver.connections.add(self.client_address)
            receiver.messages.append(
                Message({k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length))
            )
            receiver.wait()
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hooks?for=trially"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def work(app: Flask) -> None:
    """Let a worker do what is due, and wait until it has sent it."""
    Worker(app).run_due()
