"""The threads that answer requests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, TypeVar

Job = TypeVar("Job")

HEALTH_PATHS = ("/livez", "/readyz", "/metrics")
"""Paths with a thread of their own, so that they are answered while all other threads are busy."""


class Threads(Generic[Job]):
    """A number of threads that do jobs in the order in which they come.

    `count` of them work at the same time. As many again are in reserve: one of them takes the place
    of a thread whose job waits for other jobs to end.
    """

    def __init__(self, name: str, count: int, work: Callable[[Job], None]) -> None:
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._work = work
        self._places = threading.Semaphore(count)
        for number in range(2 * count):
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True).start()

    def submit(self, job: Job) -> None:
        """Have a thread do a job as soon as one is free."""
        self._jobs.put(job)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let another thread work while the block waits. It is for the thread of a job only."""
        self._places.release()
        try:
            yield
        finally:
            self._places.acquire()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            with self._places:
                self._work(job)
