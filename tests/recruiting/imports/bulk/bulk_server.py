"""An imitation of a FHIR server with Bulk Data exports and SMART Backend Services.

It follows the specifications strictly: it checks each assertion, token and header, so that a client
that leaves one out gets an error. Faults of real servers can be switched on.
"""

import gzip
import json
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tests.recruiting.imports.fhir_examples import make_observation, make_patient
from tests.recruiting.imports.importing import write_ndjson

CLIENT_ID = "trially-client"
TRANSACTION_TIME = "2024-03-04T10:30:00.123Z"
PATIENTS = write_ndjson(*(make_patient(number) for number in range(1, 40)))
OBSERVATIONS = write_ndjson(*(make_observation(number, number) for number in range(1, 40)))
RSA_KEY = RSAKey.generate_key(2048, {"kid": "k1"})


class _QuietServer(ThreadingHTTPServer):
    """Does not write to standard error, which the tests of commands read."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that left before it had its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@dataclass
class BulkServer:
    """The state of the server, and the faults that it has."""

    key: RSAKey | ECKey
    url: str = ""
    files: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    """By list of the manifest: types and contents."""
    counts: dict[str, int] = field(default_factory=dict)
    """Counts of types in the manifest that differ from the content."""
    pending: int = 1
    """Polls of the status before the export is complete."""
    faults: list[tuple[str, int]] = field(default_factory=list)
    """Prefixes of paths whose next request is answered with a status."""
    breaks: dict[str, int] = field(default_factory=dict)
    """Bytes of a file after which the next connection breaks, by path."""
    location: str | None = None
    """Another Content-Location than the own one."""
    file_host: str | None = None
    """Another base of the URLs of files."""
    requires_token: bool = True
    has_etags: bool = True
    packs: bool = False
    """Files are compressed with gzip."""
    says_packed: bool = True
    """Compressed files have the header Content-Encoding."""
    tokens: set[str] = field(default_factory=set)
    issued: list[str] = field(default_factory=list)
    """All tokens, those that are no longer valid included."""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    links: int = 1
    """Generation of the URLs of files. Older ones have expired."""
    is_deleted: bool = False
    _seen: set[str] = field(default_factory=set)

    def paths(self, method: str = "GET") -> list[str]:
        return [path.partition("?")[0] for kind, path, _ in self.requests if kind == method]

    def query_of(self, path: str) -> dict[str, list[str]]:
        """Return the query of the last request to a path."""
        found = [each for _, each, _ in self.requests if each.partition("?")[0] == path]
        return parse_qs(urlsplit(found[-1]).query)

    def revoke(self) -> None:
        self.tokens.clear()

    def issue_token(self, form: dict[str, list[str]]) -> str | None:
        """Return a token, or None if the assertion is not right."""
        if form.get("grant_type") != ["client_credentials"] or "scope" not in form:
            return None
        assertion = form["client_assertion"][0]
        decoded = jwt.decode(assertion, self.key, algorithms=["RS384", "ES384"])
        claims, header = decoded.claims, decoded.header
        is_right = (
            claims["iss"] == claims["sub"] == CLIENT_ID
            and claims["aud"] == f"{self.url}/token"
            and time.time() < claims["exp"] <= time.time() + 300
            and claims["jti"] not in self._seen
            and header["kid"] == "k1"
            and header["typ"] == "JWT"
        )
        if not is_right:
            return None
        self._seen.add(claims["jti"])
        token = secrets.token_urlsafe()
        self.tokens.add(token)
        self.issued.append(token)
        return token

    def manifest(self) -> dict[str, Any]:
        base = self.file_host or self.url
        document: dict[str, Any] = {
            "transactionTime": TRANSACTION_TIME,
            "request": f"{self.url}/Patient/$export",
            "requiresAccessToken": self.requires_token,
            "output": [],
            "error": [],
        }
        for name, files in self.files.items():
            document[name] = [
                {
                    "type": kind,
                    "url": f"{base}/files/{self.links}/{name}/{number}",
                    "count": self.counts.get(kind, len(content.split(b"\n")) - 1),
                }
                for number, (kind, content) in enumerate(files)
            ]
        return document


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: BulkServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        self._record()
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self._fails():
            return
        token = self.state.issue_token(form)
        if token is None:
            self._answer(400, {"error": "invalid_client", "error_description": "bad assertion"})
        else:
            self._answer(200, {"access_token": token, "token_type": "bearer", "expires_in": 300})

    def do_DELETE(self) -> None:
        self._record()
        self.state.is_deleted = True
        self._answer(202, {})

    def do_GET(self) -> None:
        self._record()
        path = self.path.partition("?")[0]
        if self._fails():
            return
        if path == "/.well-known/smart-configuration":
            self._answer(
                200,
                {
                    "token_endpoint": f"{self.state.url}/token",
                    "capabilities": ["permission-v2"],
                    "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                },
            )
        elif path.startswith("/files/"):
            self._send_file(path)
        elif not self._is_authorized():
            self._answer(401, {"error": "invalid_token"})
        elif path.endswith("/$export"):
            self._begin()
        elif path == "/status":
            self._show_status()
        else:
            self._answer(404, {})

    def _record(self) -> None:
        self.state.requests.append((self.command, self.path, dict(self.headers)))

    def _fails(self) -> bool:
        for fault in self.state.faults:
            prefix, status = fault
            if self.path.startswith(prefix):
                self.state.faults.remove(fault)
                self._answer(status, {}, {"Retry-After": "0"})
                return True
        return False

    def _is_authorized(self) -> bool:
        return self.headers.get("Authorization", "").removeprefix("Bearer ") in self.state.tokens

    def _begin(self) -> None:
        if self.headers.get("Prefer") != "respond-async":
            self._answer(400, {"issue": [{"code": "invalid", "diagnostics": "respond-async"}]})
            return
        location = self.state.location or f"{self.state.url}/status"
        self._answer(202, {}, {"Content-Location": location})

    def _show_status(self) -> None:
        if self.state.pending > 0:
            self.state.pending -= 1
            self._answer(202, {}, {"Retry-After": "0", "X-Progress": "50%"})
        else:
            self._answer(200, self.state.manifest(), {"Expires": "soon"})

    def _send_file(self, path: str) -> None:
        _, _, links, name, number = path.split("/")
        if int(links) != self.state.links:
            self._answer(404, {})
            return
        if self.state.requires_token and not self._is_authorized():
            self._answer(401, {})
            return
        content = self.state.files[name][int(number)][1]
        if self.state.packs:
            content = gzip.compress(content, mtime=0)
        tag = '"v1"'
        start = 0
        if self.state.has_etags and self.headers.get("If-Range") == tag:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.state.has_etags:
            self.send_header("ETag", tag)
        if self.state.packs and self.state.says_packed:
            assert self.headers["Accept-Encoding"] == "gzip"
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = self.state.breaks.pop(path, None)
        self.wfile.write(content[start:end])
        if end is not None:
            self.close_connection = True

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def running_server(key: RSAKey | ECKey) -> Iterator[BulkServer]:
    """Run the server on a free port of the loopback interface."""
    state = BulkServer(key)
    handler = type("Handler", (_Handler,), {"state": state})
    with _QuietServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
