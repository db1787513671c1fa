"""gunicorn as it is deployed, and what its threads are doing."""

import http.client
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from faults.children import tied
from trially.config import ROOT

WORKERS = 2
THREADS = 8
START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 40
SAMPLES = 4
SAMPLE_SECONDS = 0.2
SOCKET_WAITS = frozenset({7, 23, 45, 47, 232, 270, 271, 281})
"""x86_64: poll, select, recvfrom, recvmsg, epoll_wait, pselect6, ppoll and epoll_pwait."""


@dataclass
class Gunicorn:
    """A running gunicorn."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def workers(self) -> list[psutil.Process]:
        children: list[psutil.Process] = psutil.Process(self.process.pid).children()
        return children

    def is_live(self, seconds: float = 5) -> bool:
        """Return whether /livez answers 200 within the time."""
        try:
            with closing(
                http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
            ) as connection:
                connection.request("GET", "/livez", headers={"Connection": "close"})
                return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    def threads_at_sockets(self) -> int | None:
        """Return how many threads of the workers wait for a socket, or None if nobody can tell.

        Without a request in flight, a thread of the pool waits for work, not for a socket.
        """
        if os.uname().machine != "x86_64":
            return None
        waiting = 0
        for worker in self.workers():
            try:
                for task in Path(f"/proc/{worker.pid}/task").iterdir():
                    word = (task / "syscall").read_text().split()[0]
                    waiting += word.isdecimal() and int(word) in SOCKET_WAITS
            except FileNotFoundError:
                continue  # it ended meanwhile
            except PermissionError:
                return None
        return waiting

    def sample_threads(self) -> list[int]:
        """Count the threads at sockets several times; empty if nobody can tell."""
        samples = []
        for _ in range(SAMPLES):
            time.sleep(SAMPLE_SECONDS)
            samples.append(self.threads_at_sockets())
        return [sample for sample in samples if sample is not None]

    def wait_until_live(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.is_live(1):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"gunicorn did not start: {self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it with SIGTERM as a deployment does, and wait until it has ended."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it and its workers, if it runs."""
        if self.process.poll() is None:
            workers = self.workers()
            self.process.kill()
            for worker in workers:
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
            self.process.wait()


def start_gunicorn(port: int, environment: dict[str, str], log: Path) -> Gunicorn:
    """Start gunicorn with deploy/gunicorn.conf.py, and return before it answers."""
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
    command += ["--bind", f"127.0.0.1:{port}", "wsgi:app"]
    environment = {
        **environment,
        "TMPDIR": str(log.parent),
        "WEB_CONCURRENCY": str(WORKERS),
        "WEB_THREADS": str(THREADS),
    }
    with log.open("ab") as stderr:
        process = subprocess.Popen(tied(command), env=environment, cwd=ROOT, stderr=stderr)
    return Gunicorn(port, process, log)
