"""Witnesses: places outside the databases that keep the hashes of seals.

A database administrator can change records and build the chain of seals again. A witness still has
the hashes of the old chain, so `flask audit verify` finds it. A witness holds no patient data.
"""

from trially.audit.witnesses.entry import InvalidEntryError, WitnessEntry
from trially.audit.witnesses.places import (
    InvalidWitnessUrlError,
    Witness,
    configured_witnesses,
    open_witness,
)

__all__ = [
    "InvalidEntryError",
    "InvalidWitnessUrlError",
    "Witness",
    "WitnessEntry",
    "configured_witnesses",
    "open_witness",
]
