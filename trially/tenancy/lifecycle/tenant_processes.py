"""Run one command for many tenants: a process for each, several at a time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, Any, Self

PROGRAM = (sys.executable, "-c", "from trially.command_line import main; main()")
"""The program that runs a command of trially in any folder."""

GRACE_SECONDS = 5.0
"""How long a process that took too long may end by itself, before it is killed."""

MOST_OUTPUT = 1 << 20
"""The most bytes of a process's output that are kept, from its beginning."""

TIMED_OUT = "timed out"


@dataclass(frozen=True)
class Work:
    """The command of one tenant."""

    slug: str
    tenant_id: str
    words: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """What became of the command of one tenant."""

    work: Work
    exit_status: int | None
    """None if it took too long and was ended."""

    seconds: float
    output: str
    errors: str

    @property
    def is_done(self) -> bool:
        """Whether the command succeeded."""
        return self.exit_status == 0

    @property
    def result(self) -> str:
        """The outcome in a word or two."""
        if self.exit_status is None:
            return TIMED_OUT
        return "done" if self.is_done else "failed"


class Processes:
    """Processes of tenants' commands. When the block ends, none of them runs any more."""

    def __init__(self, workers: int, timeout: float, environment: Mapping[str, str]) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="tenants-run")
        self._timeout, self._environment = timeout, {**os.environ, **environment}
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock, self._is_ending = Lock(), False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_ending = True
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGKILL)
        self._executor.shutdown(cancel_futures=True)

    def run(self, works: Sequence[Work]) -> Iterator[Outcome]:
        """Yield the outcome of each command when it is there. None waits for another's."""
        pending = [self._executor.submit(self._run, work) for work in works]
        for future in as_completed(pending):
            yield future.result()

    def _run(self, work: Work) -> Outcome:
        started = time.monotonic()
        with TemporaryFile() as output, TemporaryFile() as errors:
            status = self._wait([*PROGRAM, *work.words], output, errors)
            seconds = time.monotonic() - started
            return Outcome(work, status, round(seconds, 2), _read(output), _read(errors))

    def _wait(self, words: Sequence[str], output: IO[bytes], errors: IO[bytes]) -> int | None:
        """Run a process, and return its exit status; None if it took too long."""
        process = self._start(words, stdout=output, stderr=errors)
        try:
            return process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            # What the process has started is in its group too.
            _signal(process, signal.SIGKILL)
            process.wait()
            return None
        finally:
            with self._lock:
                self._running.discard(process)

    def _start(self, words: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_ending:
                raise KeyboardInterrupt
            process = subprocess.Popen(  # noqa: S603  the words are an operator's own
                words,
                stdin=subprocess.DEVNULL,
                env=self._environment,
                start_new_session=True,
                **streams,
            )
            self._running.add(process)
            return process


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    text = stream.read(MOST_OUTPUT).decode(errors="replace")
    return text + ("\n[… the rest was not kept]\n" if stream.read(1) else "")
