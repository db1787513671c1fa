"""Whether the demo is being served: a lock that each server holds, and that a reset needs alone."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trially.errors import OperatorError

FILE = "demo.lock"


class OccupiedError(OperatorError):
    """Another process serves or resets the demo."""


@contextmanager
def serving(instance: Path) -> Iterator[None]:
    """Mark the demo as served. Several servers may serve it. Raises `OccupiedError`."""
    with _locked(
        instance, fcntl.LOCK_SH, "The demo is being reset. Try again when that has ended."
    ):
        yield


@contextmanager
def resetting(instance: Path) -> Iterator[None]:
    """Mark the demo as being reset. Raises `OccupiedError` while it is served."""
    with _locked(instance, fcntl.LOCK_EX, "The demo is being served. Stop the server first."):
        yield


@contextmanager
def _locked(instance: Path, kind: int, refusal: str) -> Iterator[None]:
    instance.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(instance / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise OccupiedError(refusal) from None
    finally:
        os.close(descriptor)
