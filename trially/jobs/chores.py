"""Short work that a worker does when it visits a tenant, beside jobs.

A chore takes milliseconds and leaves no row in the table of jobs. A worker does it when it was
woken for the tenant, and when the chore has asked to be done again.
"""

from collections.abc import Callable

Chore = Callable[[], float]
"""Works for the current tenant, and returns the seconds until it is to be done again."""

Wait = Callable[[float], object]
"""Waits for what chores have begun in other threads, at most so many seconds."""

_chores: list[Chore] = []
_waits: list[Wait] = []


def add_chore(chore: Chore, wait: Wait) -> None:
    """Let workers do a chore at visits."""
    _chores.append(chore)
    _waits.append(wait)


def do_chores() -> float:
    """Do the chores of the current tenant, and return the seconds until they are due again."""
    return min((chore() for chore in _chores), default=float("inf"))


def wait_for_chores(seconds: float) -> None:
    """Wait for what chores have begun, before the worker ends."""
    for wait in _waits:
        wait(seconds)
