"""Measure how long a tenant's requests take while another tenant uploads bombs and real imports.

The neighbour reads one patient after the other. Meanwhile the other tenant sends eight uploads at
once, again and again. The last measurement is a small import of the uploading tenant, before and
after all uploads.
"""

import gzip
import http.client
import json
import statistics
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from benchmarks.installation import Installation, installation
from benchmarks.processes import gunicorn
from benchmarks.report import make_parser, print_outcome

UPLOADS = 8
WORKERS, THREADS = 2, 8
BAD, GOOD = b"{}\n", b'{"resourceType":"Basic"}\n'
SMALL = b'{"resourceType":"Patient","id":"%d","birthDate":"1970-01-01"}\n'
TIMEOUT_SECONDS = 60
NO_ANSWER = 0


def main() -> None:
    parser = make_parser(__spec__.name, rounds=1, seconds=15)
    options = parser.parse_args()
    with installation() as installed:
        tokens = {slug: _create(installed, slug) for slug in ("uploading", "neighbour")}
        app = "benchmarks.twin:trially_app()"
        with gunicorn(app, installed.environment, workers=WORKERS, threads=THREADS) as server:
            uploader = Client(server.port, tokens["uploading"])
            neighbour = Client(server.port, tokens["neighbour"])
            path = f"/api/v1/patients/{_create_patient(neighbour)}"
            small_before = _time_small_imports(uploader, 0)
            loads: dict[str, Callable[[int], bytes] | None] = {
                "idle": None,
                "bombs": lambda number: _pack(BAD * 250_000 + b"\n" * number),
                "half bombs": lambda number: _pack((BAD * 8 + GOOD) * 28_000 + b"\n" * number),
                "imports": lambda number: _pack(
                    b"".join(SMALL % (number * 10**6 + each) for each in range(20_000))
                ),
            }
            figures = {
                name: _measure(neighbour, path, tokens["uploading"], body, options.seconds)
                for name, body in loads.items()
            }
            small_after = _time_small_imports(uploader, 1)
    parts = [
        f"{name} p50 {each['p50_ms']:.0f} p99 {each['p99_ms']:.0f} ms"
        f" ({each['failed']} of {each['requests']} failed; uploads: {each['answers'] or 'none'})"
        for name, each in figures.items()
    ]
    line = (
        f"import neighbour: {', '.join(parts)}; a small import takes {small_before:.0f} ms before"
        f" and {small_after:.0f} ms after"
    )
    print_outcome(
        line,
        {**figures, "small_before_ms": small_before, "small_after_ms": small_after},
        as_json=options.json,
    )


class Client:
    """A keep-alive connection of one member."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self._headers = {"Authorization": f"Bearer {token}"}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)

    def send(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Any:
        """Send a request, and return status and body; `NO_ANSWER` if none came."""
        headers = {**self._headers, **({"Content-Type": kind} if kind else {})}
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()  # the next request opens a new connection
            return NO_ANSWER, {}

    def upload(self, body: bytes) -> Any:
        """Upload an import."""
        return self.send("POST", "/api/v1/imports?source=benchmark", body, "application/gzip")


def _create(installed: Installation, slug: str) -> str:
    from trially.auth.members.managing import add_member
    from trially.auth.roles import Role
    from trially.state import state_of
    from trially.tenancy.context import tenant_context
    from trially.tenancy.lifecycle.provisioning import create_tenant

    with installed.app.app_context():
        create_tenant(slug, slug)
        with tenant_context(slug):
            add_member(slug, Role.ADMIN)
    issuer = state_of(installed.app).dev_issuer
    assert issuer is not None
    return issuer.issue_token(subject=slug, tenant=slug)


def _create_patient(client: Client) -> str:
    names = {"mrn": "1", "given_name": "Ada", "family_name": "Example"}
    body = json.dumps({**names, "birth_date": "1960-05-17", "sex": "female"}).encode()
    status, patient = client.send("POST", "/api/v1/patients", body, "application/json")
    assert status == 201, patient
    return str(patient["id"])


def _pack(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _time_small_imports(client: Client, first: int) -> float:
    """Return the median time of an import of one patient in ms, or of the refusal of it."""
    samples = []
    for number in range(5):
        body = _pack(SMALL % (10**9 + 100 * first + number))
        began = time.perf_counter()
        client.upload(body)
        samples.append((time.perf_counter() - began) * 1000)
    return statistics.median(samples)


def _measure(
    client: Client,
    path: str,
    token: str,
    body: Callable[[int], bytes] | None,
    seconds: float,
) -> dict[str, Any]:
    """Return the neighbour's percentiles in ms, and the statuses of the uploads."""
    has_ended = Event()
    answers: list[int] = []
    senders = [
        Thread(target=_keep_uploading, args=(client.port, token, body, number, has_ended, answers))
        for number in range(UPLOADS if body else 0)
    ]
    for sender in senders:
        sender.start()
    samples, failed = [], 0
    ends_at = time.perf_counter() + seconds
    while time.perf_counter() < ends_at:
        began = time.perf_counter()
        status, _ = client.send("GET", path)
        samples.append((time.perf_counter() - began) * 1000)
        failed += status != 200
    has_ended.set()
    for sender in senders:
        sender.join()
    percentiles = statistics.quantiles(samples, n=100) if len(samples) > 1 else samples * 99
    return {
        "p50_ms": percentiles[49],
        "p99_ms": percentiles[98],
        "requests": len(samples),
        "failed": failed,
        "answers": ", ".join(f"{answers.count(each)} of {each}" for each in sorted(set(answers))),
    }


def _keep_uploading(
    port: int,
    token: str,
    body: Callable[[int], bytes],
    number: int,
    has_ended: Event,
    answers: list[int],
) -> None:
    """Upload one body after the other, as a client does that waits a second after a refusal."""
    client = Client(port, token)
    while not has_ended.is_set():
        status, _ = client.upload(body(number))
        answers.append(status)
        number += UPLOADS
        if status in (429, 503, NO_ANSWER):
            has_ended.wait(1)


if __name__ == "__main__":
    main()
