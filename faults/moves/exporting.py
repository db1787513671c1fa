"""Export a tenant by jobs over HTTP, one after the other, and see that each comes to its end."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from uuid import uuid4

from trially.demo.load.clients import Answer, Client, Request

PATH = "/api/v1/exports"
BODY = json.dumps({"parts": ["fhir"]}).encode()
TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 0.2
LONGEST_SECONDS = 120.0
"""The longest time for one export, with all repetitions of its requests."""


class Exporter:
    """Exports the tenant whose member has the token."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        self.done = 0
        self.failures: list[str] = []
        """A sentence about each export that has not come to its end."""

        self._client = Client(url, token, TIMEOUT_SECONDS)
        self._is_over = Event()
        self._thread = Thread(target=self._run, name="exporter", daemon=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Export until the block ends, or until `stop`."""
        self._thread.start()
        try:
            yield
        finally:
            self.stop()
            self._client.close()

    def stop(self) -> None:
        """Wait until the last export has ended."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set() and not self.failures:
            if failure := self._export():
                self.failures.append(failure)
            else:
                self.done += 1

    def _export(self) -> str | None:
        """Export once, and return what went wrong."""
        deadline = time.monotonic() + LONGEST_SECONDS
        headers = {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}
        created = self._ask(Request("POST", PATH, BODY, headers), deadline)
        if created.status != 201:
            return f"An export was answered with {created.status} {created.cause}."
        path = f"{PATH}/{created.document['id']}"
        while time.monotonic() < deadline:
            shown = self._ask(Request("GET", path), deadline)
            state = shown.document.get("state")
            if state == "done":
                return None
            if shown.status != 200 or state in ("failed", "cancelled"):
                return f"The export was answered with {shown.status}, and is {state}."
            time.sleep(POLL_SECONDS)
        return f"The export has not ended within {LONGEST_SECONDS:.0f} s."

    def _ask(self, request: Request, deadline: float) -> Answer:
        """Send a request until there is an answer for good."""
        while True:
            answer = self._client.send(request)
            if answer.is_final or time.monotonic() > deadline:
                return answer
            time.sleep(POLL_SECONDS)
