"""Clients of all tenants: each writes with an Idempotency-Key, reads, and records what it saw."""

import http.client
import itertools
import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Self
from uuid import uuid4

from faults.installation import LoadedTenant
from trially.demo.load.clients import Answer, Client, Request

CLIENTS_PER_TENANT = 2
THINKING_SECONDS = 0.05
"""Between two requests of a client."""
REFUSED_SECONDS = 0.2
"""Before a refused request is repeated, whatever Retry-After says: impatient clients."""
GIVES_UP_SECONDS = 15.0
PROBE_SECONDS = 0.25
JOIN_SECONDS = GIVES_UP_SECONDS + 5


@dataclass(frozen=True)
class Attempt:
    """One request, and what its client saw."""

    tenant: str
    begun: float
    ended: float
    status: int | None
    """None: no complete response."""

    cause: str
    """The code of a problem, or what happened to the connection; "" if it was served."""

    says_when: bool = False
    """Whether a 503 has Retry-After."""

    @property
    def is_served(self) -> bool:
        return self.status is not None and self.status < 300

    @property
    def seconds(self) -> float:
        return self.ended - self.begun


@dataclass(frozen=True)
class Probe:
    """One request to /livez."""

    begun: float
    seconds: float
    is_live: bool

    @property
    def ended(self) -> float:
        return self.begun + self.seconds


@dataclass
class Record:
    """What all clients saw. Each list only grows, so clients may share them."""

    run: str = field(default_factory=lambda: uuid4().hex[:8])
    attempts: list[Attempt] = field(default_factory=list)
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    """Tenant and key of each write that was answered with 201."""

    foreign_reads: list[str] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        return f"{self.run}."

    def key(self, tenant: str, *numbers: int) -> str:
        """Return a key that names its run and its tenant."""
        return f"{self.prefix}{tenant}.{'.'.join(map(str, numbers))}"


class Load:
    """Sends requests until it is left; use it with `with`."""

    def __init__(
        self, port: int, tenants: Sequence[LoadedTenant], clients: int = CLIENTS_PER_TENANT
    ) -> None:
        self.record = Record()
        self._port = port
        self._is_over = Event()
        self._threads = [
            Thread(target=self._act, args=(tenant, number), daemon=True)
            for number in range(clients)
            for tenant in tenants
        ]
        self._threads.append(Thread(target=self._probe, daemon=True))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _act(self, tenant: LoadedTenant, number: int) -> None:
        client = Client(f"http://127.0.0.1:{self._port}", lambda: tenant.token, GIVES_UP_SECONDS)
        with closing(client):
            for count in itertools.count():
                key = self.record.key(tenant.slug, number, count)
                self._write(client, tenant, key)
                self._read(client, tenant)
                if self._is_over.is_set():
                    return

    def _write(self, client: Client, tenant: LoadedTenant, key: str) -> None:
        """Write one patient, and repeat it with the same key until it is acknowledged."""
        request = _creation(key)
        while True:
            attempt = _attempt_of(tenant, client.send(request))
            self.record.attempts.append(attempt)
            if attempt.status == 201:
                self.record.acknowledged.append((tenant.slug, key))
            if self._waits(attempt):
                return

    def _read(self, client: Client, tenant: LoadedTenant) -> None:
        answer = client.send(Request("GET", "/api/v1/patients?limit=20"))
        attempt = _attempt_of(tenant, answer)
        self.record.attempts.append(attempt)
        self.record.foreign_reads += [
            f"{tenant.slug} read {item['mrn']}"
            for item in answer.document.get("data", ())
            if f".{tenant.slug}." not in str(item["mrn"])
        ]
        self._waits(attempt)

    def _waits(self, attempt: Attempt) -> bool:
        """Wait as a client does after an attempt, and return whether it is done with it."""
        is_over = self._is_over.wait(THINKING_SECONDS if attempt.is_served else REFUSED_SECONDS)
        return attempt.is_served or is_over

    def _probe(self) -> None:
        while not self._is_over.wait(PROBE_SECONDS):
            begun = time.monotonic()
            is_live = _is_live(self._port)
            self.record.probes.append(Probe(begun, time.monotonic() - begun, is_live))


def _attempt_of(tenant: LoadedTenant, answer: Answer) -> Attempt:
    says_when = "retry-after" in answer.headers
    cause = answer.cause
    return Attempt(tenant.slug, answer.begun, answer.ended, answer.status, cause, says_when)


def _creation(key: str) -> Request:
    body = {
        "mrn": key,
        "given_name": "Ada",
        "family_name": "Example",
        "birth_date": "1960-05-17",
        "sex": "female",
    }
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    return Request("POST", "/api/v1/patients", json.dumps(body).encode(), headers)


def _is_live(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", "/livez", headers={"Connection": "close"})
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
