"""The port of the demo is checked and held before any work."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from trially.config import ROOT
from trially.demo.ports import PortUnavailableError, hold_port, listen, main


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_busy_port_is_reported(busy_port):
    with pytest.raises(PortUnavailableError, match=f"already listens on 127.0.0.1:{busy_port}"):
        hold_port("127.0.0.1", busy_port)


def test_a_held_port_is_busy_before_anyone_listens():
    port = free_port()

    with hold_port("127.0.0.1", port):
        with pytest.raises(PortUnavailableError):
            hold_port("127.0.0.1", port)
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", port)) != 0


def test_the_port_of_a_server_that_has_just_ended_is_free():
    port = free_port()
    with hold_port("127.0.0.1", port) as server:
        listen(server, 5)
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        for _ in clients:
            server.accept()[0].close()  # The side that closes first stays in TIME_WAIT.
        clients.pop().close()  # The other client does not notice, as one that waits to send again.

    with hold_port("127.0.0.1", port) as server:
        listen(server, 5)
        with pytest.raises(PortUnavailableError):
            hold_port("127.0.0.1", port)
    clients.pop().close()


@pytest.mark.parametrize("text", ["0", "65536", "-1", "abc", "5000x", "½"])
def test_make_run_refuses_what_is_no_port(text):
    assert "Set it to a number from 1 to 65535" in main([text])


def test_make_run_checks_the_port_before_it_installs_anything(busy_port):
    planned = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "run", f"PORT={busy_port}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip

    assert "ports.py" in planned[0]
    refused = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "trially/demo/ports.py"), str(busy_port)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "Choose another port" in refused.stderr
