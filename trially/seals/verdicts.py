"""What a verification of a log says: whether it is intact, or its first fault."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What is wrong with a log."""

    RECORD_CHANGED = "record_changed"
    RECORD_MISSING = "record_missing"
    RECORD_INSERTED = "record_inserted"
    RECORDS_REORDERED = "records_reordered"
    SEAL_CHANGED = "seal_changed"
    SEAL_MISSING = "seal_missing"
    CHAIN_BROKEN = "chain_broken"
    CHAIN_REBUILT = "chain_rebuilt"
    TAIL_CUT = "tail_cut"


@dataclass(frozen=True)
class Fault:
    """The first difference. `record` is the id of a record; a missing one has no id any more."""

    kind: FaultKind
    seal: int
    position: int | None = None
    """The place of the record among those of its seal, from 1."""

    record: str | None = None
    after: str | None = None
    """The id of the record before it in the seal, if there is one."""

    @property
    def sentence(self) -> str:
        """The fault as a sentence."""
        where = f"record {self.position} of seal {self.seal}"
        what = _SENTENCES[self.kind].format(seal=self.seal, record=self.record, where=where)
        return f"{what} The sealed record before it is {self.after}." if self.after else what


_SENTENCES = {
    FaultKind.RECORD_CHANGED: "The record {record} was changed: it is {where}.",
    FaultKind.RECORD_MISSING: "A record is missing: {where}.",
    FaultKind.RECORD_INSERTED: "The record {record} was not sealed. It stands before {where}.",
    FaultKind.RECORDS_REORDERED: "The record {record} stands in place of {where}.",
    FaultKind.SEAL_CHANGED: "The seal {seal} was changed.",
    FaultKind.SEAL_MISSING: "The seal {seal} is missing.",
    FaultKind.CHAIN_BROKEN: "The seal {seal} does not continue the chain: it or the seal before it"
    " was replaced.",
    FaultKind.CHAIN_REBUILT: "The seal {seal} has another hash than the witness says: the chain"
    " was rebuilt.",
    FaultKind.TAIL_CUT: "The seal {seal}, which the witness has, is missing at the end: the tail of"
    " the log was cut.",
}


@dataclass(frozen=True)
class Verdict:
    """The result of a verification."""

    seals: int
    records: int
    """The records that are as they were sealed."""

    pruned: int
    """The sealed records that retention has removed."""

    unsealed: int
    """The records after the last seal."""

    fault: Fault | None = None

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong."""
        return self.fault is None
