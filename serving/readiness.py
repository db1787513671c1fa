"""Wait until the app of a new worker is ready."""

import io
import json
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from serving.limits import Limits

PATH = "/readyz"
PAUSE_SECONDS = 0.5


def wait_until_ready(worker: Any, limits: Limits, others_serve: Callable[[], bool]) -> None:
    """Ask the app for `/readyz` until it answers 200, as long as other workers serve.

    This also connects to the catalog and fetches the issuers' keys before the first client comes.
    The process ends if the app does not become ready in time.
    """
    deadline = time.monotonic() + limits.ready_seconds
    status, checks = "none", ""
    while worker.alive and others_serve():
        if time.monotonic() > deadline:
            worker.log.error("A new worker ends, because it did not become ready in time.")
            worker.log.info("The last answer to /readyz was %s %s", status, checks)
            raise SystemExit(1)
        for status, body in _ask_in_thread(worker, deadline):
            if status.startswith(str(HTTPStatus.OK.value)):
                return
            checks = _checks_in(body)
        time.sleep(PAUSE_SECONDS)


def _ask_in_thread(worker: Any, deadline: float) -> list[tuple[str, bytes]]:
    """Return the app's answer, or none if it fails or takes too long."""
    answers: list[tuple[str, bytes]] = []
    asking = threading.Thread(target=_ask, args=(worker, answers), daemon=True)
    asking.start()
    while asking.is_alive() and worker.alive and time.monotonic() < deadline:
        worker.notify()
        asking.join(PAUSE_SECONDS)
    return list(answers)


def _ask(worker: Any, answers: list[tuple[str, bytes]]) -> None:
    """Add the app's answer to `answers`, or nothing if it fails."""
    try:
        answers.append(_request(worker))
    except Exception:
        worker.log.exception("The app failed to answer /readyz.")


def _request(worker: Any) -> tuple[str, bytes]:
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": PATH,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    parts = worker.wsgi(environ, lambda status, *_: statuses.append(status))
    try:
        body = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    return statuses[0], body


def _checks_in(body: bytes) -> str:
    """Return the checks of `/readyz`, which name no tenant and no person."""
    try:
        return json.dumps(json.loads(body).get("checks"))
    except (ValueError, AttributeError):
        return ""
