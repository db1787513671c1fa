"""Measure the CPU time of processes, and run web servers."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psutil  # type: ignore[import-untyped]

THREADS = 4
START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class WebServer:
    """A running HTTP server and the id of its main process."""

    port: int
    process_id: int


def cpu_seconds(root: int) -> float:
    """Return the CPU time of a process and its children, including children that ended.

    Living processes are read from the scheduler's count in nanoseconds, because counters in ticks
    of 10 ms miss short work. The time of ended children is only available in ticks.
    """
    process = psutil.Process(root)
    living = [process, *process.children(recursive=True)]
    ended = sum(_times_of_ended(member.pid) for member in living)
    return sum(scheduled_seconds(member.pid) for member in living) + ended


def scheduled_seconds(process_id: int) -> float:
    """Return the CPU time of one living process."""
    total = 0
    try:
        for task in Path(f"/proc/{process_id}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except FileNotFoundError:
        pass  # the process ended meanwhile; its parent's counters include it
    return total / 1e9


@contextmanager
def gunicorn(
    factory: str,
    environment: dict[str, str],
    cores: set[int] | None = None,
    *,
    workers: int = 1,
    threads: int = THREADS,
    worker_class: str = "serving.worker.Worker",
    python: str = sys.executable,
) -> Iterator[WebServer]:
    """Serve the app that `module:function()` returns with gunicorn on a free port."""
    port = free_port()
    command = [python, "-m", "gunicorn", factory, "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", str(workers), "--worker-class", worker_class]
    command += [
        "--threads",
        str(threads),
        "--keep-alive",
        "75",
        "--no-control-socket",
        "--log-level",
        "warning",
    ]
    with serving(command, port, environment, cores) as server:
        yield server


@contextmanager
def serving(
    command: list[str],
    port: int,
    environment: dict[str, str],
    cores: set[int] | None = None,
    *,
    log: TextIO | None = None,
) -> Iterator[WebServer]:
    """Run a server; yield it when it has answered its first request. It writes its log to `log`."""
    process = subprocess.Popen(command, env=environment, stderr=log)
    try:
        if cores:
            os.sched_setaffinity(process.pid, cores)
        _wait_until_ready(process, port)
        yield WebServer(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """Return a free port of the loopback address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _times_of_ended(process_id: int) -> float:
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(
                f"The server did not start. Its exit status is {process.returncode}:"
                f" {process.args!r}"
            )
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
                probe.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                if probe.recv(12):
                    return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(
        f"The server did not answer within {START_TIMEOUT_SECONDS} seconds: {process.args!r}"
    )
