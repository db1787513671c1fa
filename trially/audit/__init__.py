"""Seal the records of an append-only log in a hash chain, and verify the chain.

The logs themselves are elsewhere: that of the installation in the catalog, that of each tenant in
the tenant's own database. Both are sealed and verified here.
"""

from trially.audit.log import Log, period_of
from trially.audit.seal import FIRST_PREVIOUS, Seal
from trially.audit.sealing import seal
from trially.audit.verifying import Fault, FaultKind, Verdict, verify
from trially.audit.witnesses import InvalidWitnessError, append_seals, read_seals

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
