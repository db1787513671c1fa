"""A WSGI app whose requests take as long as the test says. Run by `servers.serve`."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

BIG = b"x" * 8_000_000


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if environ.get("HTTP_AUTHORIZATION") == "Bearer good":
        environ["trially.authenticated"] = True
    if path == "/crash":
        raise RuntimeError("a secret of a patient")
    if path == "/wait":
        while not Path(os.environ["GATE"]).exists():
            time.sleep(0.01)
    body = environ["wsgi.input"].read() if path != "/unread" else b""
    text = BIG if path == "/big" else f"{os.getpid()} {path} {len(body)}".encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]
