"""Let a worker process read documents, within limits of time and memory."""

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import IO
from uuid import UUID

from trially.config import ROOT
from trially.recruiting.documents.extracting.problems import (
    MOST_IDLE_SECONDS,
    MOST_SECONDS_OF_PAGE,
    TextProblem,
)

WORKER = "trially.recruiting.documents.extracting.worker"
MOST_DOCUMENTS = 1_000
"""Documents that one worker reads before another one replaces it, as libraries may leak memory."""

MOST_IDLE_WORKERS = 2
STARTING_SECONDS = 10.0
_MOST_ANSWER_BYTES = 16 * 2**20


class _WorkerGoneError(Exception):
    """The worker has ended, or was killed because of its time."""

    def __init__(self, problem: TextProblem) -> None:
        super().__init__(problem)
        self.problem = problem


class Worker:
    """One worker process. It reads one document at a time, all of one tenant."""

    def __init__(self, tenant_id: UUID | None) -> None:
        self.tenant_id = tenant_id
        self.documents = 0
        self._unread = b""
        self._used_at = time.monotonic()
        # No environment: the worker must not see the secrets of this process.
        self._process = subprocess.Popen(  # noqa: S603 - the arguments are constants
            [sys.executable, "-P", "-s", "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PYTHONPATH": str(ROOT)},
        )

    def read(self, kind: str, content: bytes, deadline: float) -> Iterator[str | TextProblem]:
        """Yield the text of each page, and the problem that ended reading, if there is one."""
        self.documents += 1
        header = json.dumps({"format": kind, "size": len(content)}).encode() + b"\n"
        try:
            stdin = _pipe(self._process.stdin)
            stdin.write(header + content)
            stdin.flush()
        except OSError:
            raise _WorkerGoneError(TextProblem.UNREADABLE) from None
        seconds = MOST_SECONDS_OF_PAGE + (STARTING_SECONDS if self.documents == 1 else 0)
        while True:
            answer = json.loads(self._read_line(min(deadline, time.monotonic() + seconds)))
            seconds = MOST_SECONDS_OF_PAGE
            if "page" not in answer:
                break
            yield answer["page"]
        self._used_at = time.monotonic()
        if answer["end"]:
            yield TextProblem(answer["end"])

    def is_usable(self) -> bool:
        """Return whether the worker runs, and may read a further document."""
        is_fresh = time.monotonic() - self._used_at < MOST_IDLE_SECONDS / 2
        return is_fresh and self.documents < MOST_DOCUMENTS and self._process.poll() is None

    def end(self) -> None:
        """Kill the process, and wait until it has gone."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # bytes that the worker has not read
                    pipe.close()

    def _read_line(self, deadline: float) -> bytes:
        pipe = _pipe(self._process.stdout)
        while b"\n" not in self._unread:
            seconds = deadline - time.monotonic()
            if seconds <= 0 or not select.select([pipe], [], [], seconds)[0]:
                raise _WorkerGoneError(TextProblem.TOO_SLOW)
            chunk = os.read(pipe.fileno(), 65_536)
            if not chunk:
                raise _WorkerGoneError(TextProblem.TOO_MUCH_MEMORY)
            self._unread += chunk
            if len(self._unread) > _MOST_ANSWER_BYTES:
                raise _WorkerGoneError(TextProblem.TOO_LONG)
        line, _, self._unread = self._unread.partition(b"\n")
        return line


class Workers:
    """The workers of this process. Each of its imports has one for itself while it needs one.

    So a document that takes long delays no other tenant's import.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Worker] = []

    def read(
        self, kind: str, content: bytes, deadline: float, tenant_id: UUID | None
    ) -> tuple[list[str], TextProblem | None]:
        """Return the pages of a document, and why they are not all. `deadline` is monotonic.

        A worker reads documents of one tenant only: for another tenant, a new one starts.
        """
        worker = self._take(tenant_id)
        pages: list[str] = []
        problem: TextProblem | None = None
        try:
            for answer in worker.read(kind, content, deadline):
                if isinstance(answer, TextProblem):
                    problem = answer
                else:
                    pages.append(answer)
        except _WorkerGoneError as error:
            worker.end()
            return pages, error.problem
        except BaseException:  # an answer of which a part is unread would be the next one's
            worker.end()
            raise
        self._give_back(worker)
        return pages, problem

    def end_all(self) -> None:
        """End the workers that have nothing to do."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()

    def _take(self, tenant_id: UUID | None) -> Worker:
        with self._lock:
            worker = next((each for each in self._idle if each.tenant_id == tenant_id), None)
            if worker is not None:
                self._idle.remove(worker)
        if worker is not None and worker.is_usable():
            return worker
        if worker is not None:
            worker.end()
        return Worker(tenant_id)

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            self._idle.append(worker)
            superfluous = self._idle[:-MOST_IDLE_WORKERS]
            self._idle = self._idle[-MOST_IDLE_WORKERS:]
        for each in superfluous:
            each.end()


WORKERS = Workers()
atexit.register(WORKERS.end_all)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101
    return pipe
