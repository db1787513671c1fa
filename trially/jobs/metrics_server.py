"""Serve the metrics of a worker, which answers no other requests."""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from trially.config import Settings
from trially.errors import OperatorError
from trially.observability.rendering import render

CLIENT_SECONDS = 5.0
"""How long a client may take for its request. Requests are answered one after the other."""


class MetricsServerError(OperatorError):
    """The worker cannot serve its metrics."""


@contextmanager
def serving_metrics(settings: Settings) -> Iterator[int | None]:
    """Answer `GET /metrics` while the block runs, as `TRIALLY_WORKER_METRICS` says.

    Yields the port, or None without that setting. Raises `MetricsServerError`.
    """
    if not settings.worker_metrics:
        yield None
        return
    if not settings.metrics_token:
        raise MetricsServerError("TRIALLY_WORKER_METRICS also needs TRIALLY_METRICS_TOKEN.")
    with _listen(settings.worker_metrics, settings.metrics_token) as server:
        Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        yield server.server_port
        server.shutdown()


def _listen(address: str, token: str) -> HTTPServer:
    host, _, port = address.rpartition(":")
    try:
        return HTTPServer((host, int(port)), _handler_of(token))
    except (OSError, ValueError, OverflowError) as error:
        raise MetricsServerError(
            f"TRIALLY_WORKER_METRICS: cannot listen on {address!r}. Write an address of this"
            " machine and a free port, such as 127.0.0.1:9101."
        ) from error


def _handler_of(token: str) -> type[BaseHTTPRequestHandler]:
    expected = f"Bearer {token}".encode()

    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_SECONDS

        def do_GET(self) -> None:
            """Answer the metrics to a caller with the token."""
            given = self.headers.get("Authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, expected):
                self._answer(HTTPStatus.UNAUTHORIZED, b"", "text/plain")
            elif self.path != "/metrics":
                self._answer(HTTPStatus.NOT_FOUND, b"", "text/plain")
            else:
                self._answer(HTTPStatus.OK, *render())

        def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing: scrapes are frequent."""

    return Handler
