"""The lane of a worker for tasks: it claims them, and a process of its own carries each out.

Commands record who acts for a whole process, so two operators cannot act in one.
"""

import logging
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Protocol

from flask import Flask

from trially.config import ROOT
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.tasks.claiming import Claim, claim_task, prune_tasks

log = logging.getLogger(__name__)

PROGRAM = "trially.task_program"
"""The module that carries out one task. It is above this one, so it is named and not imported."""

MOST_AT_ONCE = 4
LOOK_SECONDS = 0.5
PRUNE_SECONDS = 3600.0
STOP_SECONDS = 20.0
"""How long a worker that is told to end waits for its tasks. Another one then resumes them."""


class Running(Protocol):
    """A process that carries out a task."""

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""

    def terminate(self) -> None:
        """End it."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""


def start_process(claim: Claim) -> Running:
    """Start a process that carries out a task."""
    words = [sys.executable, "-m", PROGRAM, str(claim.task_id), str(claim.attempt)]
    # In a session of its own, so that Ctrl-C at the worker's terminal does not undo the task.
    return subprocess.Popen(  # noqa: S603
        words, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True
    )


class TaskLane:
    """Claims tasks until `stop` is called, and lets at most `MOST_AT_ONCE` run at a time."""

    def __init__(self, app: Flask, start: Callable[[Claim], Running] = start_process) -> None:
        self._app, self._start = app, start
        self._stopping = Event()
        self._running: list[Running] = []
        self._pruned_at = float("-inf")

    def run(self) -> None:
        """Carry out tasks until `stop` is called."""
        while not self._stopping.is_set():
            try:
                is_idle = not self._begin_next()
            except Exception as error:  # noqa: BLE001  such as a catalog that does not answer
                log.warning("A worker could not look for tasks: %s", describe_failure(error))
                is_idle = True
            if is_idle:
                self._stopping.wait(LOOK_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
        self._end_running()

    def run_due(self) -> int:
        """Carry out the tasks that are due now, one after the other, and return their number."""
        number = 0
        while not self._stopping.is_set() and self._begin_next():
            self._running.pop().wait()
            number += 1
        return number

    def stop(self) -> None:
        """Take no further task."""
        self._stopping.set()

    def _begin_next(self) -> bool:
        """Begin a task, and return whether there was one and room for it."""
        self._running = [each for each in self._running if each.poll() is None]
        if len(self._running) >= MOST_AT_ONCE:
            return False
        with self._app.app_context():
            if time.monotonic() - self._pruned_at > PRUNE_SECONDS:
                prune_tasks()
                self._pruned_at = time.monotonic()
            claim = claim_task()
        if claim is None:
            return False
        self._running.append(self._start(claim))
        return True

    def _end_running(self) -> None:
        ends_at = time.monotonic() + STOP_SECONDS
        while time.monotonic() < ends_at and any(each.poll() is None for each in self._running):
            time.sleep(0.1)
        for each in self._running:
            if each.poll() is None:
                each.terminate()


@contextmanager
def carrying_out_tasks(app: Flask) -> Iterator[None]:
    """Carry out tasks in the background while the block runs."""
    lane = TaskLane(app)
    thread = Thread(target=lane.run, name="tasks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        lane.stop()
        thread.join(STOP_SECONDS + 5)
