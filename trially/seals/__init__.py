"""Seal the records of an append-only log in a hash chain, and verify the chain.

The logs themselves are elsewhere: that of the installation in the catalog, that of each tenant in
the tenant's own database. Both are sealed and verified here.
"""

from trially.seals.log import Log, period_of
from trially.seals.seal import FIRST_PREVIOUS, Seal
from trially.seals.sealing import seal
from trially.seals.verdicts import Fault, FaultKind, Verdict
from trially.seals.verifying import verify
from trially.seals.witnesses import InvalidWitnessError, append_seals, read_seals

__all__ = [
    "FIRST_PREVIOUS",
    "Fault",
    "FaultKind",
    "InvalidWitnessError",
    "Log",
    "Seal",
    "Verdict",
    "append_seals",
    "period_of",
    "read_seals",
    "seal",
    "verify",
]
