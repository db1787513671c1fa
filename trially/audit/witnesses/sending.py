"""Send to each witness the seals that it lacks, in order.

A witness that fails delays nothing: the seals are in the database, and the next run sends them.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from trially.audit.witnesses.entry import WitnessEntry, entry_of
from trially.audit.witnesses.places import Witness
from trially.seals import Seal

logger = logging.getLogger(__name__)

ENTRIES_AT_ONCE = 1000

ReadSeals = Callable[[int], Iterable[Seal]]
"""Yields the seals after a number, in order."""


@dataclass(frozen=True)
class Lag:
    """How far a witness is behind."""

    witness: str
    seals: int
    error: str | None = None
    """Why the witness could not be reached."""


def send_seals(
    witnesses: Sequence[Witness], log: str, last: int, read_seals: ReadSeals
) -> list[Lag]:
    """Send the seals up to number `last`, and return how far each witness is behind then."""
    return [_send(each, log, last, read_seals) for each in witnesses]


def _send(witness: Witness, log: str, last: int, read_seals: ReadSeals) -> Lag:
    number = 0
    try:
        number = witness.last_number(log)
        for entries in _parts(map(entry_of, read_seals(number))):
            witness.append(log, entries)
            number = entries[-1].number
    except Exception as error:  # noqa: BLE001  whatever the witness is, the sealer goes on
        logger.warning("The witness %s did not take the seals of %s: %s", witness.name, log, error)
        return Lag(witness.name, max(0, last - number), f"{type(error).__name__}: {error}")
    return Lag(witness.name, max(0, last - number))


def _parts(entries: Iterable[WitnessEntry]) -> Iterator[list[WitnessEntry]]:
    iterator = iter(entries)
    while part := list(islice(iterator, ENTRIES_AT_ONCE)):
        yield part
