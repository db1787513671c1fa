"""An HTTP server that publishes an issuer's keys, and the ways in which it fails."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey

RSA = RSAKey.generate_key(2048, {"kid": "rs-1", "alg": "RS256", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "es-1"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed-1", "alg": "EdDSA"})


def public(key: Any, **changes: Any) -> dict[str, Any]:
    jwk = {**key.as_dict(private=False), **changes}
    return {name: value for name, value in jwk.items() if value is not ...}


class Issuer:
    """A real HTTP server with prepared responses, which records the requested paths."""

    def __init__(self) -> None:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.paths.append(self.path)
                time.sleep(issuer.delay)
                answer = issuer.answers.get(self.path, (404, b"", {}))
                status, body, headers = answer(self) if callable(answer) else answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    return

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self._handler = Handler
        self.is_stopped = True
        self.port = 0
        self.start()
        self.url = f"http://127.0.0.1:{self.port}"
        self.paths: list[str] = []
        self.answers: dict[str, Any] = {}
        self.repair()

    def start(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.port = self.server.server_port
        self.is_stopped = False
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def repair(self) -> None:
        """Answer as an issuer should, whatever it did before."""
        if self.is_stopped:
            self.start()
        self.delay = 0.0
        self.describe()
        self.publish(RSA, EC)

    def describe(self, **changes: Any) -> None:
        document = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **changes}
        self.answer("/.well-known/openid-configuration", json.dumps(document))

    def publish(self, *keys: Any) -> None:
        jwks = {"keys": [key if isinstance(key, dict) else public(key) for key in keys]}
        self.answer("/jwks", json.dumps(jwks))

    def answer(self, path: str, body: str | bytes, status: int = 200, **headers: str) -> None:
        body = body.encode() if isinstance(body, str) else body
        self.answers[path] = (status, body, headers)

    def fetches(self) -> int:
        return self.paths.count("/jwks")

    def stop(self) -> None:
        if not self.is_stopped:
            self.server.shutdown()
            self.server.server_close()
            self.is_stopped = True


def _drip(handler: BaseHTTPRequestHandler) -> tuple[int, bytes, dict[str, str]]:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(30):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            break
        time.sleep(0.1)
    raise ConnectionAbortedError


def _drip_headers(handler: BaseHTTPRequestHandler) -> tuple[int, bytes, dict[str, str]]:
    for number in range(50):
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n" if number == 0 else b"X: y\r\n")
            handler.wfile.flush()
        except OSError:
            break
        time.sleep(0.1)
    raise ConnectionAbortedError


FAILURES: dict[str, Callable[[Issuer], None]] = {
    "down": lambda issuer: issuer.stop(),
    "error": lambda issuer: issuer.answer("/jwks", "{}", 500),
    "empty": lambda issuer: issuer.answer("/jwks", ""),
    "no-content": lambda issuer: issuer.answer("/jwks", "", 204),
    "html": lambda issuer: issuer.answer("/jwks", "<html><h1>Maintenance</h1></html>"),
    "list": lambda issuer: issuer.answer("/jwks", "[]"),
    "no-keys": lambda issuer: issuer.answer("/jwks", "{}"),
    "keys-text": lambda issuer: issuer.answer("/jwks", '{"keys": "rs-1"}'),
    "keys-number": lambda issuer: issuer.answer("/jwks", '{"keys": 1}'),
    "no-usable-key": lambda issuer: issuer.publish(public(RSA, kid=...)),
    "deep": lambda issuer: issuer.answer("/jwks", "[" * 100_000),
    "50-MB": lambda issuer: issuer.answer("/jwks", b" " * 50_000_000),
    "bad-utf-8": lambda issuer: issuer.answer("/jwks", b'{"keys": "\xff"}'),
    "redirect": lambda issuer: issuer.answer(
        "/jwks", "", 302, Location="http://169.254.169.254/latest/meta-data"
    ),
    "redirect-same-host": lambda issuer: issuer.answer("/jwks", "", 307, Location="/other"),
    "redirect-file": lambda issuer: issuer.answer("/jwks", "", 302, Location="file:///etc/passwd"),
    "discovery-down": lambda issuer: issuer.answer("/.well-known/openid-configuration", "", 503),
    "discovery-of-another": lambda issuer: issuer.describe(issuer="https://evil.example"),
    "discovery-with-slash": lambda issuer: issuer.describe(issuer=issuer.url + "/"),
    "jwks-uri-plain-http": lambda issuer: issuer.describe(jwks_uri="http://login.example/jwks"),
    "jwks-uri-file": lambda issuer: issuer.describe(jwks_uri="file:///etc/passwd"),
    "jwks-uri-number": lambda issuer: issuer.describe(jwks_uri=7),
    "jwks-uri-missing": lambda issuer: issuer.describe(jwks_uri=None),
    "jwks-uri-metadata": lambda issuer: issuer.describe(jwks_uri="https://169.254.169.254/keys"),
    "jwks-uri-private": lambda issuer: issuer.describe(jwks_uri="https://10.0.0.1/keys"),
    "jwks-uri-mapped": lambda issuer: issuer.describe(jwks_uri="https://[::ffff:10.0.0.1]/keys"),
    "slow": lambda issuer: setattr(issuer, "delay", 1.5),
    "hanging": lambda issuer: setattr(issuer, "delay", 5),
    "dripping-headers": lambda issuer: issuer.answers.update({"/jwks": _drip_headers}),
    "dripping": lambda issuer: issuer.answers.update({"/jwks": _drip}),
}
