"""SIGHUP and SIGTERM lose no request, and failed workers leave the others serving."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest
from servers import Server, is_closed, read_answer, serve, wait_until

from serving.rolling import status_path

GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Client(threading.Thread):
    """Sends requests on one connection, opened anew only after `Connection: close`."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self._has_ended = threading.Event()
        self.answered = 0
        self.opened = 0
        self.faults: list[str] = []
        self.workers: set[bytes] = set()

    def run(self) -> None:
        connection = None
        while not self._has_ended.is_set():
            if connection is None:
                connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
                self.opened += 1
            try:
                connection.request("GET", "/a")
                response = connection.getresponse()
                self.workers.add(response.read().split()[0])
            except OSError as error:
                self.faults.append(repr(error))
                return
            if response.status != 200:
                self.faults.append(str(response.status))
            self.answered += 1
            if response.will_close:
                connection.close()
                connection = None
            time.sleep(0.001)
        if connection is not None:
            connection.close()

    def stop(self) -> None:
        self._has_ended.set()
        self.join()


@contextmanager
def clients(server: Server, count: int = 6) -> Iterator[list[Client]]:
    """Load the server until the block ends, and check that no request was lost."""
    running = [Client(server.port) for _ in range(count)]
    for each in running:
        each.start()
    try:
        yield running
    finally:
        for each in running:
            each.stop()
    assert [fault for each in running for fault in each.faults] == []
    assert all(each.answered for each in running)


def test_a_reload_loses_no_request_and_closes_no_connection(tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", "2") as server:
        before = set(server.workers())
        idle = [server.connect() for _ in range(4)]
        for each in idle:
            each.sendall(GET)
            assert read_answer(each).status == 200
        with clients(server) as running:
            server.send_signal(signal.SIGHUP)
            wait_until(lambda: not before & set(server.workers()), server)
        after = {str(worker).encode() for worker in server.workers()}
        assert len(after) == 2
        assert {each.opened for each in running} == {1}
        for each in idle:
            each.sendall(GET)
            assert read_answer(each).body.split()[0] in after


def test_a_reload_finishes_what_is_running(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        (before,) = server.workers()
        waiting = server.connect()
        waiting.sendall(GET.replace(b"/a", b"/wait"))
        half = server.connect()
        half.sendall(b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12")
        wait_until(lambda: server.count_connections() == [2], server)
        server.send_signal(signal.SIGHUP)
        wait_until(lambda: before not in server.workers() or len(server.workers()) == 2, server)
        time.sleep(1)
        half.sendall(b"345")
        server.gate.touch()
        for each, path in ((waiting, b"/wait 0"), (half, b"/a 5")):
            answer = read_answer(each)
            assert answer.body == b"%d %s" % (before, path)
            assert answer.headers["connection"] == "keep-alive"
            each.sendall(GET)
            assert int(read_answer(each).body.split()[0]) != before
        wait_until(lambda: before not in server.workers(), server)


def test_a_reload_waits_for_requests_longer_than_a_shutdown(tmp_path: Path) -> None:
    with serve(tmp_path, "--graceful-timeout", "1") as server:
        (before,) = server.workers()
        waiting = server.connect()
        waiting.sendall(GET.replace(b"/a", b"/wait"))
        wait_until(lambda: server.count_connections() == [1], server)
        server.send_signal(signal.SIGHUP)
        wait_until(lambda: "All workers have been replaced." in server.log.read_text(), server)
        time.sleep(3)
        server.gate.touch()
        assert read_answer(waiting).body == b"%d /wait 0" % before
        wait_until(lambda: before not in server.workers(), server)


def test_the_end_is_announced_and_no_connection_is_reset(tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", "2", WEB_LINGER_SECONDS="1") as server:
        sockets = [server.connect() for _ in range(12)]
        for each in sockets:
            each.sendall(GET)
            assert read_answer(each).status == 200
        used, idle, late = sockets[:4], sockets[4:8], sockets[8:]
        late[0].sendall(GET.replace(b"/a", b"/wait"))
        time.sleep(0.2)
        server.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        for each in used:
            each.sendall(GET)
            answer = read_answer(each)
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert is_closed(each)
        assert [each.recv(1) for each in idle] == [b""] * 4  # an end, not a reset
        server.gate.touch()
        assert read_answer(late[0]).headers["connection"] == "close"
        assert server.process.wait(10) == 0


def test_requests_that_come_until_the_end_are_answered(tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", "2") as server:
        connections = [server.keep() for _ in range(8)]
        for each in connections:
            each.request("GET", "/a")
            each.getresponse().read()
        answered = 0
        server.send_signal(signal.SIGTERM)
        while connections:
            for each in list(connections):
                each.request("GET", "/a")
                response = each.getresponse()
                assert (response.status, response.read() != b"") == (200, True)
                answered += 1
                if response.will_close:
                    connections.remove(each)
        assert answered >= 8
        assert server.process.wait(10) == 0


BROKEN = "raise RuntimeError('a new release that does not work')\n"
UNREADY = """\
def app(environ, start_response):
    start_response("503 Service Unavailable", [("Content-Length", "31")])
    return [b'{"checks":{"catalog":"broken"}}']
"""


@pytest.mark.parametrize("code", [BROKEN, UNREADY, "import sys\nsys.exit('cannot start')\n"])
def test_workers_that_do_not_start_replace_nobody(code: str, tmp_path: Path) -> None:
    module = tmp_path / "released.py"
    module.write_text("from plain_app import app\n")
    pidfile = tmp_path / "pid"
    variables = {"WEB_PIDFILE": str(pidfile), "WEB_READY_SECONDS": "1"}
    with serve(tmp_path, "--workers", "2", app="released:app", **variables) as server:
        before = set(server.workers())
        module.write_text(code)
        with clients(server):
            server.send_signal(signal.SIGHUP)
            wait_until(lambda: status(pidfile) == (1, "failed"), server)
            time.sleep(0.5)
        assert set(server.workers()) == before
        assert "The new worker could not start, so the other workers go on." in (
            server.log.read_text()
        )
        # A worker that dies cannot be replaced, but the other one serves on.
        os.kill(before.pop(), signal.SIGKILL)
        wait_until(lambda: before < set(server.workers()), server)
        for _ in range(20):
            time.sleep(0.1)
            assert server.get("/a")[0] == 200

        module.write_text("from plain_app import app\n")
        server.send_signal(signal.SIGHUP)
        wait_until(lambda: status(pidfile) == (2, "done"), server)
        wait_until(lambda: not before & set(server.workers()), server)
        assert server.get("/a")[0] == 200


def test_a_broken_configuration_replaces_nobody(tmp_path: Path) -> None:
    configuration = tmp_path / "own.conf.py"
    original = (Path(__file__).parent / "plain.conf.py").read_text()
    configuration.write_text(original)
    pidfile = tmp_path / "pid"
    variables = {"WEB_PIDFILE": str(pidfile)}
    with serve(tmp_path, "--config", str(configuration), **variables) as server:
        before = server.workers()
        configuration.write_text("this is no Python")
        server.send_signal(signal.SIGHUP)
        wait_until(lambda: status(pidfile) == (1, "failed"), server)
        assert server.workers() == before
        assert server.get("/a")[0] == 200
        configuration.write_text(original)
        server.send_signal(signal.SIGHUP)
        wait_until(lambda: status(pidfile) == (2, "done"), server)


def status(pidfile: Path) -> tuple[int, str] | None:
    path = status_path(pidfile)
    if not path.exists():
        return None
    read = json.loads(path.read_text())
    return read["reload"], read["state"]


def test_a_second_reload_replaces_what_the_first_began(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    with serve(tmp_path, "--workers", "2", WEB_PIDFILE=str(pidfile)) as server:
        before = set(server.workers())
        with clients(server):
            server.send_signal(signal.SIGHUP)
            time.sleep(0.3)
            server.send_signal(signal.SIGHUP)
            wait_until(lambda: status(pidfile) == (2, "done"), server)
            wait_until(lambda: len(server.workers()) == 2, server)
        assert not before & set(server.workers())


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", "2") as server:
        before = set(server.workers())
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        wait_until(
            lambda: len(server.workers()) == 2 and not before & set(server.workers()), server
        )
        wait_until(lambda: server.get("/a")[0] == 200, server)


def test_nobody_waits_for_the_successor_of_a_killed_worker(tmp_path: Path) -> None:
    module = tmp_path / "released.py"
    module.write_text("from plain_app import app\n")
    with serve(tmp_path, "--workers", "2", app="released:app") as server:
        wait_until(lambda: len(server.workers()) == 2, server)
        time.sleep(1)
        module.write_text("import time\ntime.sleep(60)\n")
        # The other worker does not know yet that this one has ended, and passes connections to it.
        master = psutil.Process(server.process.pid)
        master.suspend()
        os.kill(server.workers()[0], signal.SIGKILL)
        sockets = [server.connect() for _ in range(10)]
        for each in sockets:
            each.settimeout(10)
            each.sendall(GET)
        time.sleep(0.2)
        master.resume()
        assert [read_answer(each).status for each in sockets] == [200] * 10


def is_even(counts: list[int], total: int) -> bool:
    """Return whether workers share connections. A worker may know of a new one a moment late."""
    return sum(counts) == total and max(counts) - min(counts) <= 2


@pytest.mark.parametrize("workers", [2, 3])
def test_connections_are_spread_evenly(workers: int, tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", str(workers)) as server:
        wait_until(lambda: server.log.read_text().count("Booting") == workers, server)
        time.sleep(1)
        sockets = [server.connect() for _ in range(8 * workers)]
        for each in sockets:
            each.sendall(GET)
            assert read_answer(each).status == 200
        assert is_even(server.count_connections(), 8 * workers)

        # New ones go where others have been closed.
        answers = {}
        for each in sockets:
            each.sendall(GET)
            answers[each] = read_answer(each).body.split()[0]
        emptied = answers[sockets[0]]
        closed = [each for each in sockets if answers[each] == emptied]
        for each in closed:
            each.close()
        wait_until(lambda: server.count_connections()[0] == 0, server)
        for _ in closed:
            server.connect().sendall(GET)
        wait_until(lambda: is_even(server.count_connections(), 8 * workers), server)


def test_a_worker_that_hangs_gets_no_connections(tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", "2") as server:
        time.sleep(1)
        stopped = psutil.Process(server.workers()[0])
        stopped.suspend()
        try:
            time.sleep(2.5)
            for _ in range(8):
                assert server.get("/a")[0] == 200
        finally:
            stopped.resume()


def test_health_is_answered_while_all_threads_are_busy(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        waiting = [server.connect() for _ in range(4)]
        for each in waiting:
            each.sendall(GET.replace(b"/a", b"/wait"))
        time.sleep(0.2)
        for path in ("/livez", "/readyz", "/metrics"):
            assert server.get(path)[0] == 200
        server.gate.touch()
        assert [read_answer(each).status for each in waiting] == [200] * 4
