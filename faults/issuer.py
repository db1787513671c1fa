"""An OIDC issuer on loopback, whose keys can be made unreachable."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from joserfc import jws
from joserfc.jwk import RSAKey

AUDIENCE = "https://api.trially.ai"
TENANT_CLAIM = "https://trially.ai/tenant"
LIFETIME_SECONDS = 43_200


class Mood(Enum):
    """What the issuer does with a request for its keys."""

    WELL = "answers"
    FAILS = "answers 500"
    HANGS = "never answers"


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_args: object) -> None:
        """Write nothing: clients that gave up are expected."""


class Issuer:
    """Signs tokens, and serves discovery and keys as long as it is well."""

    def __init__(self) -> None:
        self.mood = Mood.WELL
        self._is_well = Event()
        self._is_well.set()
        key = RSAKey.generate_key(2048)
        self._key = RSAKey.import_key(
            key.raw_value, {"kid": key.thumbprint(), "alg": "RS256", "use": "sig"}
        )
        self._server = _QuietServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def token(self, subject: str, tenant: str) -> str:
        """Return an access token (RFC 9068) of one member of one tenant."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": subject,
            "aud": AUDIENCE,
            "client_id": "faults",
            "jti": f"{subject}-{now}",
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            TENANT_CLAIM: tenant,
        }
        header = {"alg": "RS256", "kid": self._key.kid, "typ": "at+jwt"}
        return jws.serialize_compact(header, json.dumps(claims), self._key)

    @contextmanager
    def being(self, mood: Mood) -> Iterator[None]:
        """Behave like this during the block; requests that hang are answered after it."""
        self.mood = mood
        if mood is Mood.HANGS:
            self._is_well.clear()
        try:
            yield
        finally:
            self.mood = Mood.WELL
            self._is_well.set()

    @contextmanager
    def serving(self) -> Iterator["Issuer"]:
        thread = Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._is_well.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer._is_well.wait()
                body = json.dumps(issuer._document(self.path)).encode()
                self.send_response(500 if issuer.mood is Mood.FAILS else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """Write nothing."""

        return Handler

    def _document(self, path: str) -> dict[str, object]:
        if path.startswith("/.well-known/"):
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        return {"keys": [self._key.as_dict(private=False)]}
