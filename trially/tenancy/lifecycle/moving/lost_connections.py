"""Move again after a connection was lost, as long as the source serves the tenant.

A busy machine may take so long to answer that the connection counts as dead
(`trially.database.watching`), and a server may be restarted. Before the switch, the next try begins
with a new snapshot, and copies only rows that differ.
"""

import logging
import time
from collections.abc import Callable

import psycopg2
from sqlalchemy.exc import DBAPIError

from trially.tenancy.lifecycle.moving.errors import LostStreamError
from trially.tenancy.lifecycle.moving.progress import MoveProgress

log = logging.getLogger(__name__)

WAITS_SECONDS = (2.0, 4.0, 8.0)
"""How long each further try waits: a server that was restarted needs some seconds."""

FENCED = frozenset({"fence", "open", "switch", "unlock"})
"""Steps at which the source may be fenced: `settle` or an undo decides then, without delay."""

_LOST = ("08", "57P")
"""Classes of SQLSTATEs: the connection, and interventions such as a shutdown."""


def moved_in_spite_of_losses(move: Callable[[MoveProgress], None]) -> MoveProgress:
    """Move, and return the progress. If a connection is lost before the switch, move again."""
    began = time.monotonic()
    for seconds in WAITS_SECONDS:
        progress = MoveProgress(began=began)
        try:
            move(progress)
        except Exception as error:
            if progress.phase in FENCED or not is_lost(error):
                raise
            log.warning("The move begins again, because a connection was lost: %s", error)
            progress.wait_for("A connection was lost. The tenant is served as before.")
            time.sleep(seconds)
        else:
            return progress
    progress = MoveProgress(began=began)
    move(progress)
    return progress


def is_lost(error: BaseException | None) -> bool:
    """Return whether an error means that a connection was lost, or that none can be opened now."""
    if isinstance(error, DBAPIError):
        return is_lost(error.orig)
    if isinstance(error, LostStreamError):
        return is_lost(error.__cause__)
    if not isinstance(error, psycopg2.Error):
        return False
    if error.pgcode is None:
        return not isinstance(error, psycopg2.ProgrammingError)
    return error.pgcode.startswith(_LOST)
