"""gunicorn with its configuration: logs, metrics, and a shutdown that loses no work."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from members import Member

from trially.config import ROOT, Settings

TOKEN = "a token for the metrics"
UPLOAD = b'{"resourceType": "Patient", "id": "p1", "name": [{"family": "Doe"}]}\n'


@dataclass
class Served:
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=10)

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        with closing(self.connect()) as connection:
            connection.request("GET", path, headers={**headers, "Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def served(settings: Settings, tmp_path: Path) -> Iterator[Served]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {
        "PATH": "/usr/bin:/bin",
        "TMPDIR": str(temporary),
        "WEB_CONCURRENCY": "1",
        "WEB_THREADS": "4",
        "TRIALLY_DEVELOPMENT": "1",
        "TRIALLY_INSTANCE": str(settings.instance),
        "TRIALLY_SECRET_KEY": settings.secret_key,
        "TRIALLY_EMBEDDED_SETTINGS": ",".join(
            f"{name}={value}" for name, value in settings.embedded_settings.items()
        ),
        "TRIALLY_DATABASE_URL": "",
        "TRIALLY_METRICS_TOKEN": TOKEN,
        "TRIALLY_SLOW_QUERY_MS": "0",
        "WEB_HEADER_SECONDS": "2",
        "WEB_TRANSFER_GRACE_SECONDS": "2",
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
    command += ["--bind", f"127.0.0.1:{port}", "wsgi:app"]
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=stderr)
    server = Served(process, port, log)
    try:
        _wait_until_ready(server)
        assert [path.stat().st_mode & 0o777 for path in temporary.glob("trially-metrics-*")] == [
            0o700
        ]
        yield server
        process.terminate()
        assert process.wait(20) == 0
        assert not list(temporary.glob("trially-metrics-*"))
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(server: Served) -> None:
    for _ in range(400):
        assert server.process.poll() is None, server.log.read_text()
        try:
            status, _ = server.get("/readyz")
        except OSError:
            time.sleep(0.02)
        else:
            assert status == 200
            return
    pytest.fail(server.log.read_text())


def test_a_server_logs_and_counts_requests_and_finishes_them_on_sigterm(
    served: Served, member: Member
) -> None:
    bearer = {"Authorization": f"Bearer {member.token}"}
    for path in ("/api/v1/patients?limit=1", "/nowhere/Canary?name=Canary"):
        served.get(path, **bearer)
    assert served.get("/metrics")[0] == 401
    status, metrics = served.get("/metrics", Authorization=f"Bearer {TOKEN}")
    assert status == 200
    route = 'method="GET",route="/api/v1/patients"'
    assert f'trially_requests_total{{{route},status="200"}} 1.0' in metrics
    assert f'trially_tenant_requests_total{{tenant="{member.tenant.id}"}} 1.0' in metrics
    # One connection for the dialect, and one for the request.
    assert 'trially_connection_checkouts_total{outcome="misses",server="default"} 2.0' in metrics

    assert 'trially_tenants{revision="behind"} 0.0' in metrics
    assert "trially_catalog_migrated 1.0" in metrics
    assert "setup plugin" not in served.log.read_text()

    # SIGTERM arrives during an upload, while another connection is kept open.
    uploading = served.connect()
    uploading.putrequest("POST", "/api/v1/imports?source=fhir")
    for name, value in {**bearer, "Content-Type": "application/ndjson"}.items():
        uploading.putheader(name, value)
    uploading.putheader("Content-Length", str(len(UPLOAD)))
    uploading.endheaders(UPLOAD[:20])
    kept = served.connect()
    kept.request("GET", "/livez")
    kept.getresponse().read()
    time.sleep(0.3)
    served.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    kept.request("GET", "/readyz")
    draining = kept.getresponse()
    assert (draining.status, draining.read()) == (503, b'{"status":"draining"}')
    uploading.send(UPLOAD[20:])
    answer = uploading.getresponse()
    assert answer.status in {200, 201}, answer.read()
    assert json.loads(answer.read())["counts"]
    for connection in (kept, uploading):
        connection.close()
    assert served.process.wait(10) == 0

    lines = served.lines()
    requests = [line for line in lines if line["event"] == "request"]
    listing = next(line for line in requests if line["route"] == "/api/v1/patients")
    assert listing["tenant"] == str(member.tenant.id)
    assert {"actor", "request_id", "ms", "timestamp", "level"} <= set(listing)
    assert (listing["method"], listing["status"]) == ("GET", 200)
    assert listing["bytes"] > 0
    assert any(line["route"] == "none" and line["status"] == 404 for line in requests)
    slow = [line for line in lines if line["event"] == "A statement was slow."]
    assert any(line["route"] == "/api/v1/patients" and "= ?" in line["statement"] for line in slow)
    assert "Canary" not in served.log.read_text()


def test_dripping_clients_delay_neither_health_nor_a_member(served: Served, member: Member) -> None:
    bearer = {"Authorization": f"Bearer {member.token}"}
    head = b"POST /api/v1/patients HTTP/1.1\r\nHost: localhost\r\n"
    of_member = f"Authorization: {bearer['Authorization']}\r\n".encode()
    body = b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    for begin in (head, head + body, head + of_member + body):
        drippers = [
            socket.create_connection(("127.0.0.1", served.port), timeout=20) for _ in range(64)
        ]
        for each in drippers:
            each.sendall(begin)
        for _ in range(5):
            for each in drippers:
                each.send(b" ")
            for path in ("/livez", "/readyz", "/api/v1/patients?limit=1"):
                assert served.get(path, **bearer)[0] == 200
        for each in drippers:
            answer = each.recv(4096)
            assert answer.startswith(b"HTTP/1.1 408 "), answer
            assert b'"code":"request_too_slow"' in answer
            each.close()


def test_a_reload_loses_no_request_of_a_member(served: Served, member: Member) -> None:
    bearer = {"Authorization": f"Bearer {member.token}"}
    kept = served.connect()
    statuses = []

    def get() -> None:
        kept.request("GET", "/api/v1/patients?limit=1", headers=bearer)
        answer = kept.getresponse()
        answer.read()
        statuses.append(answer.status)

    get()
    sock = kept.sock
    served.process.send_signal(signal.SIGHUP)
    ended = "All workers have been replaced."
    while not any(line["event"] == ended for line in served.lines()):
        get()
    time.sleep(1)
    get()
    assert set(statuses) == {200}
    assert kept.sock is sock
    kept.close()
    assert served.get("/readyz")[0] == 200


def test_the_servers_own_errors_are_problems(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n")
        head, _, body = sock.recv(4096).partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert b"Content-Type: application/problem+json" in head
    assert f"X-Request-ID: {problem['request_id']}".encode() in head
    with closing(served.connect()) as connection:
        connection.request("GET", "/nowhere")
        answer = connection.getresponse()
        assert json.loads(answer.read()).keys() == problem.keys()
