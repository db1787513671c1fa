"""Documents are fetched over verified TLS, and each fetch ends in time, whatever the peer does."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from certificates import self_signed

from trially.auth.key_fetching import Fetcher, NotPublishedError
from trially.auth.rate_limit import RateLimit

SECONDS = 0.5
LONGEST_SECONDS = 10
"""Far more than a fetch may take, far less than the peers below go on for."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/drip":
            self._drip()
            return
        self.send_response(404 if self.path == "/absent" else 200)
        self.end_headers()
        self.wfile.write(b'{"keys": []}')

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(300):
                self.wfile.write(b" ")
                time.sleep(0.1)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of localhost with its key, in one file."""
    path = tmp_path / "certificate.pem"
    path.write_bytes(self_signed("localhost"))
    return path


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def fetcher() -> Fetcher:
    return Fetcher(allow_http=True, seconds=SECONDS, max_bytes=1_000_000)


def ends(fetch: Callable[[], object]) -> bool:
    """Return whether a fetch fails in time."""

    def run() -> None:
        with pytest.raises((OSError, ValueError, HTTPException)):
            fetch()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LONGEST_SECONDS)
    return not thread.is_alive()


def test_a_trusted_certificate_is_accepted(url: str, trusted: None) -> None:
    assert fetcher().fetch(f"{url}/keys") == {"keys": []}


def test_an_absent_document_is_told_from_a_failure(url: str, trusted: None) -> None:
    with pytest.raises(NotPublishedError):
        fetcher().fetch(f"{url}/absent")


def test_an_unknown_certificate_is_refused(url: str) -> None:
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        fetcher().fetch(f"{url}/keys")


def test_a_certificate_of_another_host_is_refused(url: str, trusted: None) -> None:
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        fetcher().fetch(f"{url.replace('localhost', '127.0.0.1')}/keys")


def test_a_dripping_peer_is_cut_off(url: str, trusted: None) -> None:
    assert ends(lambda: fetcher().fetch(f"{url}/drip"))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("first", [b"", b"H", b"\x16\x03\x03"], ids=["silent", "letter", "hello"])
def test_a_peer_that_speaks_no_protocol_is_cut_off(scheme: str, first: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            peer, _ = listener.accept()
            with peer:
                try:
                    for _ in range(300):
                        peer.sendall(first)
                        time.sleep(0.1)
                except OSError:
                    return

        threading.Thread(target=drip, daemon=True).start()
        port = listener.getsockname()[1]

        assert ends(lambda: fetcher().fetch(f"{scheme}://127.0.0.1:{port}/keys"))


def test_a_rate_limit_permits_a_burst_and_then_one_at_a_time() -> None:
    now = [100.0]
    limit = RateLimit(3, 2, clock=lambda: now[0])

    assert [limit.take() for _ in range(5)] == [True] * 3 + [False] * 2
    now[0] += 1.9
    assert not limit.permits()
    now[0] += 0.2
    assert limit.permits()
    assert [limit.take() for _ in range(2)] == [True, False]
    now[0] += 1000
    assert [limit.take() for _ in range(5)] == [True] * 3 + [False] * 2
