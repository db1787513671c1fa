"""Bound how long a snapshot is held: until it ends, PostgreSQL cannot vacuum rows that died."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from psycopg2.errors import QueryCanceled

from trially.errors import OperatorError
from trially.tenancy.lifecycle.moving.sides import SideSession

log = logging.getLogger(__name__)

LONGEST_SECONDS = 3600.0
"""How long a snapshot is held at most, unless the operator says otherwise."""

CANCEL_AGAIN_SECONDS = 0.5
"""How often statements are cancelled after the time of a snapshot is over."""


class LongSnapshotError(OperatorError):
    """What holds a snapshot took longer than it may."""


@dataclass(frozen=True)
class SnapshotLimit:
    """How long a snapshot may be held."""

    seconds: float
    what: str
    """What holds it. It begins a sentence: "The backup of acme"."""


@contextmanager
def held_at_most(session: SideSession, limit: SnapshotLimit) -> Iterator[None]:
    """Cancel the session's statements when the time is over, and raise `LongSnapshotError`.

    The log says so at the level CRITICAL.
    """
    is_done, is_over = Event(), Event()

    def cancel() -> None:
        wait = limit.seconds
        while not is_done.wait(wait):
            is_over.set()
            session.raw.cancel()
            wait = CANCEL_AGAIN_SECONDS  # Between two statements, there was nothing to cancel.

    thread = Thread(target=cancel, name="snapshot-limit", daemon=True)
    thread.start()
    try:
        yield
    except QueryCanceled as error:
        if not is_over.is_set():
            raise
        log.critical("%s was stopped: its snapshot was held too long.", limit.what)
        raise LongSnapshotError(
            f"{limit.what} was stopped, because it had held its snapshot for"
            f" {limit.seconds:,.0f} s. Until a snapshot ends, PostgreSQL cannot vacuum. Run it at a"
            " quieter time, or allow more with --max-snapshot."
        ) from error
    finally:
        is_done.set()
        thread.join()
