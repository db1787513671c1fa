"""Files of web sites whose names tenants choose: public sites only, bounded, without redirects."""

import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from certificates import self_signed

from trially.organisation.branding import web_files
from trially.organisation.branding.domains import FILE_PATH, proof_of
from trially.organisation.branding.proofs import find_proof
from trially.organisation.branding.web_files import read_text

HOST = "heartland.org"
LONGEST_SECONDS = 20.0


class Site(BaseHTTPRequestHandler):
    """Answers each path in its own way, and notes what it was asked."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(f"{self.headers['Host']}{self.path}")
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", FILE_PATH)
            self.end_headers()
        elif self.path == "/drip":
            self._drip()
        elif self.path in (FILE_PATH, "/large"):
            text = proof_of("a-token") if self.path == FILE_PATH else "x" * 10_000_000
            self.send_response(200)
            self.send_header("Content-Length", str(len(text) + 1))
            self.end_headers()
            self.wfile.write(f"{text}\n".encode())
        else:
            self.send_error(404)

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.02)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of the host with its key, in one file."""
    path = tmp_path_factory.mktemp("site") / "certificate.pem"
    path.write_bytes(self_signed(HOST))
    return path


@pytest.fixture
def site(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A site that has the name; what it was asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    Site.asked.clear()
    address = ("127.0.0.1", server.server_port)
    monkeypatch.setattr(web_files, "_addresses_of", lambda _host: [address])
    monkeypatch.setattr(web_files, "MOST_SECONDS", 1.0)
    yield Site.asked
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    """Take the site for one of the internet, with a trusted certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(web_files, "_is_public", lambda _address: True)


def test_a_file_proves_a_domain(
    site: list[str], public: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trially.organisation.branding.proofs._read_records", lambda _name: [])

    assert find_proof(HOST, "a-token") is None
    assert find_proof(HOST, "another") == "no_proof"
    assert site == [f"{HOST}{FILE_PATH}"] * 2


def test_a_private_address_is_not_connected_to(site: list[str], certificate: Path) -> None:
    assert read_text(HOST, FILE_PATH) is None
    assert site == []


@pytest.mark.parametrize("path", ["/redirect", "/missing"])
def test_only_an_answer_of_its_own_counts(site: list[str], public: None, path: str) -> None:
    assert read_text(HOST, path) is None
    assert site == [f"{HOST}{path}"]


def test_an_answer_is_read_up_to_a_size(site: list[str], public: None) -> None:
    text = read_text(HOST, "/large")

    assert text is not None
    assert len(text) == web_files.MOST_BYTES


def test_a_site_that_drips_is_left(site: list[str], public: None) -> None:
    reader = threading.Thread(target=read_text, args=(HOST, "/drip"), daemon=True)
    reader.start()
    reader.join(LONGEST_SECONDS)

    assert not reader.is_alive()


def test_a_site_with_an_unknown_certificate_proves_nothing(
    site: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_files, "_is_public", lambda _address: True)

    assert read_text(HOST, FILE_PATH) is None


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:127.0.0.1", False),
        ("100.64.0.1", False),
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
    ],
)
def test_addresses_of_networks_are_private(address: str, is_public: bool) -> None:
    assert web_files._is_public(address) is is_public
