"""A small fake of Google Cloud KMS: the documented REST calls of one symmetric key.

It encrypts for real, with the additional authenticated data, and answers with Google's errors.
"""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.auth.credentials import AnonymousCredentials
from google.cloud.kms import KeyManagementServiceClient
from google.cloud.kms_v1.services.key_management_service.transports.rest import (
    KeyManagementServiceRestTransport,
)

NAME = "projects/tests/locations/europe-west3/keyRings/trially/cryptoKeys/master"


class Refusal(Exception):  # noqa: N818
    """An error of Google's API: the code of HTTP, and the name of the status."""


class FakeGoogleKms:
    """The state of the fake, and its answers."""

    def __init__(self) -> None:
        self.versions = {1: AESGCM(AESGCM.generate_key(256))}
        self.primary = 1
        self.disabled: set[int] = set()
        self.permits = True
        self.port = 0

    def answer(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        name, _, verb = path.removeprefix("/v1/").partition(":")
        if not self.permits:
            raise Refusal(403, "PERMISSION_DENIED")
        if name not in (NAME, f"{NAME}/cryptoKeyVersions"):
            raise Refusal(404, "NOT_FOUND")
        match (method, name.removeprefix(NAME), verb):
            case ("POST", "", "encrypt"):
                return self._encrypt(body)
            case ("POST", "", "decrypt"):
                return self._decrypt(body)
            case ("GET", "", ""):
                return {"name": NAME, "primary": {"name": self._name(self.primary)}}
            case ("POST", "/cryptoKeyVersions", ""):
                self.versions[len(self.versions) + 1] = AESGCM(AESGCM.generate_key(256))
                return {"name": self._name(len(self.versions))}
            case ("POST", "", "updatePrimaryVersion"):
                self.primary = int(body["cryptoKeyVersionId"])
                return {"name": NAME, "primary": {"name": self._name(self.primary)}}
        raise Refusal(404, "NOT_FOUND")

    def client(self) -> KeyManagementServiceClient:
        """Return a client whose calls reach the fake."""
        transport = KeyManagementServiceRestTransport(
            host=f"127.0.0.1:{self.port}", credentials=AnonymousCredentials(), url_scheme="http"
        )
        return KeyManagementServiceClient(transport=transport)

    def _encrypt(self, body: dict[str, Any]) -> dict[str, Any]:
        self._refuse_disabled(self.primary)
        nonce, data = secrets.token_bytes(12), b64decode(body["additionalAuthenticatedData"])
        encrypted = self.versions[self.primary].encrypt(nonce, b64decode(body["plaintext"]), data)
        ciphertext = bytes([self.primary]) + nonce + encrypted
        return {
            "name": self._name(self.primary),
            "ciphertext": b64encode(ciphertext).decode(),
        }

    def _decrypt(self, body: dict[str, Any]) -> dict[str, Any]:
        sealed, data = (
            b64decode(body["ciphertext"]),
            b64decode(body["additionalAuthenticatedData"]),
        )
        version = sealed[0] if sealed else 0
        if version not in self.versions:
            raise Refusal(400, "INVALID_ARGUMENT")
        self._refuse_disabled(version)
        try:
            plaintext = self.versions[version].decrypt(sealed[1:13], sealed[13:], data)
        except (InvalidTag, ValueError):
            raise Refusal(400, "INVALID_ARGUMENT") from None
        return {"plaintext": b64encode(plaintext).decode()}

    def _refuse_disabled(self, version: int) -> None:
        if version in self.disabled:
            raise Refusal(400, "FAILED_PRECONDITION")

    def _name(self, version: int) -> str:
        return f"{NAME}/cryptoKeyVersions/{version}"


@contextmanager
def running_fake() -> Iterator[FakeGoogleKms]:
    """Serve the fake on a port of its own."""
    fake = FakeGoogleKms()

    class Handler(BaseHTTPRequestHandler):
        def handle_call(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            try:
                code, answer = 200, fake.answer(self.command, self.path.split("?")[0], body)
            except Refusal as refusal:
                code, status = refusal.args
                answer = {"error": {"code": code, "status": status, "message": "refused"}}
            content = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = handle_call  # noqa: N815

        def log_message(self, *_arguments: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.port = server.server_port
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
