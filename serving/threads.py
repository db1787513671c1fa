"""The threads that answer requests."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

Job = TypeVar("Job")

HEALTH_PATHS = ("/livez", "/readyz", "/metrics")
"""Paths with a thread of their own, so that they are answered while all other threads are busy."""


class Threads(Generic[Job]):
    """A number of threads that do jobs in the order in which they come."""

    def __init__(self, name: str, count: int, work: Callable[[Job], None]) -> None:
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._work = work
        for number in range(count):
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True).start()

    def submit(self, job: Job) -> None:
        """Have a thread do a job as soon as one is free."""
        self._jobs.put(job)

    def _run(self) -> None:
        while True:
            self._work(self._jobs.get())
