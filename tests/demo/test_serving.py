"""`flask demo serve`, `status` and `reset` as a developer runs them, at a port of their own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from trially.config import ROOT
from trially.demo import adding_servers, commands
from trially.demo.report import format_status
from trially.demo.serving import UnusableAddressError, choose_address
from trially.embedded_postgres.watcher import find_postmaster, is_running

START_SECONDS = 120
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("TRIALLY_")},
    "TRIALLY_DEVELOPMENT": "1",
    "TRIALLY_SECRET_KEY": "a secret of the demo's tests, 32 characters",
    "TRIALLY_EMBEDDED_SETTINGS": "fsync=off,synchronous_commit=off,full_page_writes=off",
}


@dataclass(frozen=True)
class Demo:
    """An instance whose demo is served."""

    instance: Path
    url: str
    output: Path

    @property
    def database(self) -> Path:
        return self.instance / "postgres"

    @property
    def second_database(self) -> Path:
        return self.instance / "servers" / "second"

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    def get(self, path: str, token: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flask", *arguments],
            cwd=ROOT, env={**ENVIRONMENT, "TRIALLY_INSTANCE": str(self.instance)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def token(self) -> str:
        result = self.run("tenants", "token", "riverbend-clinic", "--role", "coordinator")
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="trially-demo-") as folder:
        instance = Path(folder)
        demo = Demo(instance, f"http://127.0.0.1:{port}", instance / "output.txt")
        with demo.output.open("w") as output:
            server = subprocess.Popen(
                [sys.executable, "-m", "flask", "demo", "serve", "--port", str(port)],
                cwd=ROOT, env={**ENVIRONMENT, "TRIALLY_INSTANCE": folder},
                stdout=output, stderr=output, preexec_fn=_heed_ctrl_c,
            )  # fmt: skip
        try:
            _await(lambda: _answers(demo) or server.poll() is not None)
            assert server.poll() is None, demo.output.read_text()
            yield demo
        finally:
            server.send_signal(signal.SIGINT)
            # A worker ends its steps first, which may take 25 seconds.
            server.wait(timeout=90)
        _check_reset(demo)
        _await(lambda: not is_running(demo.database))


def _heed_ctrl_c() -> None:
    """Heed SIGINT, which a shell lets processes in the background ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _answers(demo: Demo) -> bool:
    try:
        return demo.get("/livez")[0] == 200
    except OSError:
        return False


def _await(condition: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _check_reset(demo: Demo) -> None:
    """Reset the demo after the server has ended: last, because it deletes everything."""
    (demo.database / "a file of the former server").touch()
    assert demo.run("demo", "add-server", "third").returncode == 0, "It needs no running demo."
    result = demo.run("demo", "reset", "--yes", "--json")

    assert result.returncode == 0, result.stderr
    assert "riverbend-clinic" in json.loads(result.stdout)["tenants"]
    assert not (demo.database / "a file of the former server").exists()
    assert list(demo.instance.glob("postgres*")) == [demo.database]
    assert list((demo.instance / "servers").iterdir()) == []
    servers = json.loads(demo.run("servers", "list", "--json").stdout)
    assert [server["name"] for server in servers] == ["default"]


def test_every_address_and_token_has_the_port(demo):
    status, described = demo.get("/dev-issuer/.well-known/openid-configuration")
    banner = demo.output.read_text()

    assert status == 200
    assert described["issuer"] == f"{demo.url}/dev-issuer"
    for text in (json.dumps(described), banner):
        assert set(re.findall(r"127\.0\.0\.1:\d+", text)) == {f"127.0.0.1:{demo.port}"}
    [token] = re.findall(r"Bearer ([\w.-]+)", banner)
    for each in (token, demo.token()):
        status, caller = demo.get("/api/v1/me", each)
        assert (status, caller["issuer"]) == (200, described["issuer"])


def test_the_banner_fits_a_terminal(demo):
    lines = demo.output.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("tenant "))
    end = next(number for number, line in enumerate(lines) if "Ctrl-C" in line)

    too_long = [line for line in lines[start : end + 1] if len(line) > 80]

    assert [line.partition(" ")[0] for line in too_long] == ["curl"]
    assert "A statement was slow" not in "\n".join(lines)


def test_status_describes_the_running_demo(demo):
    described = json.loads(demo.run("demo", "status", "--json").stdout)
    as_text = format_status(described)

    assert described["is_served"] is True
    assert described["web_client_id"] == "web"
    assert len(described["tenants"]) == 3
    for tenant in described["tenants"]:
        assert demo.get("/api/v1/patients?limit=1", tenant["token"])[0] == 200
        assert tenant["machine_client_id"] in as_text
    for address in described["addresses"].values():
        assert address.startswith(demo.url)
        assert address in as_text
    assert f"AUTH_TRIALLY_ISSUER={demo.url}/dev-issuer\nAUTH_TRIALLY_ID=web\n" in as_text


def test_a_busy_port_and_a_served_demo_are_refused(demo):
    again = demo.run("demo", "serve", "--port", demo.port)
    reset = demo.run("demo", "reset", "--yes")

    assert (again.returncode, reset.returncode) == (1, 1)
    assert "Choose another port" in again.stderr
    assert "Stop the server first" in reset.stderr
    assert demo.get("/livez")[0] == 200


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:5001"),
        ("localhost", "http://localhost:5001"),
        ("0.0.0.0", "http://127.0.0.1:5001"),
        ("::1", "http://[::1]:5001"),
        ("::", "http://[::1]:5001"),
    ],
)
def test_the_url_is_on_loopback(host, url):
    assert choose_address(host, 5001, None).url == url


def test_the_port_is_that_of_the_configured_url():
    assert choose_address("127.0.0.1", None, None).port == 5000
    assert choose_address("127.0.0.1", None, "http://127.0.0.1:5402").port == 5402
    assert choose_address("127.0.0.1", 5001, "http://127.0.0.1:5402").port == 5001


def test_a_host_without_loopback_is_refused():
    with pytest.raises(UnusableAddressError, match="Pass --host"):
        choose_address("192.0.2.1", None, None)


def test_a_reset_asks_first(run_command, monkeypatch):
    monkeypatch.setattr(commands, "reset", lambda _report: pytest.fail("It was not confirmed."))

    assert run_command("demo", "reset").exit_code != 0


def test_the_database_is_started_again_when_it_dies(demo):
    token = demo.token()
    assert demo.get("/api/v1/patients?limit=1", token)[0] == 200
    former = find_postmaster(demo.database / "data")
    assert former is not None

    os.kill(former.process_id, signal.SIGKILL)
    statuses = []
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        statuses.append(demo.get("/api/v1/patients?limit=1", token)[0])
        present = find_postmaster(demo.database / "data")
        if statuses[-1] == 200 and present is not None and present != former:
            break
        time.sleep(0.05)

    assert statuses[-1] == 200
    assert set(statuses) <= {200, 503}
    assert demo.output.read_text().count("The embedded PostgreSQL had ended") == 1


def test_tenants_on_an_added_server_are_served(demo):
    added = [demo.run("demo", "add-server", "--json") for _ in range(2)]
    created = demo.run(
        "tenants", "create", "elsewhere", "--name", "Elsewhere", "--tier", "pooled_rows",
        "--server", "second",
    )  # fmt: skip
    token = demo.run("tenants", "token", "elsewhere", "--role", "coordinator").stdout.strip()
    described = json.loads(demo.run("demo", "status", "--json").stdout)

    assert [result.returncode for result in (*added, created)] == [0, 0, 0], created.stderr
    assert all(json.loads(result.stdout)["reachable"] for result in added)
    assert demo.get("/api/v1/patients?limit=1", token) == (
        200, {"data": [], "page": {"next": None, "has_more": False}},
    )  # fmt: skip
    servers = {server["name"]: server["tenants"] for server in described["servers"]}
    assert servers == {"default": 3, "second": 1}
    assert "Server second: 1 tenant\n" in format_status(described)


def test_an_added_server_is_started_again_when_it_dies(demo):
    assert demo.run("demo", "add-server").returncode == 0
    # Joined by the demo's server: no command uses it any more.
    _await(lambda: find_postmaster(demo.second_database / "data") is not None)
    former = find_postmaster(demo.second_database / "data")
    assert former is not None

    os.kill(former.process_id, signal.SIGKILL)

    _await(lambda: find_postmaster(demo.second_database / "data") not in (None, former))


def test_the_name_of_another_server_is_not_added(run_command):
    result = run_command("demo", "add-server", "default")

    assert result.exit_code == 1
    assert "The server name 'default' is already taken." in result.output


def test_beside_a_server_of_ones_own_none_is_added(run_command, monkeypatch, settings):
    own = replace(settings, database_url=make_url("postgresql+psycopg2://elsewhere"))
    monkeypatch.setattr(adding_servers, "current_settings", lambda: own)

    result = run_command("demo", "add-server")

    assert result.exit_code == 1
    assert "`flask servers add`" in result.output
