"""How the result of a leaf can change: by time, by a record, by a correction, or by an answer."""

from enum import StrEnum

from trially.recruiting.criteria.judgements import Judgement, Outcome, Reason
from trially.recruiting.criteria.language.person_leaves import Leaf, Manual, Unsupported
from trially.recruiting.criteria.language.record_leaves import (
    Observation,
    Pick,
    Pregnancy,
    RecordLeaf,
)


class Way(StrEnum):
    """How a leaf can change."""

    RECORD = "record"
    """A new record."""
    CORRECTION = "correction"
    """A record that is there must be completed, corrected or withdrawn."""
    ANSWER = "answer"
    """A person must answer."""
    TIME = "time"
    """Nothing need be done: it changes on a day."""


_UNCLEAR = frozenset(
    {
        *(Reason.NO_VALUE, Reason.UNKNOWN_UNIT, Reason.NO_REFERENCE_RANGE, Reason.COMPARATOR),
        *(Reason.PARTIAL_DATE, Reason.UNCONFIRMED, Reason.UNKNOWN_STATUS, Reason.UNKNOWN_CLASS),
        *(Reason.TWO_VALUES, Reason.REFUTED_ELSEWHERE),
    }
)


def way_of(leaf: Leaf, judgement: Judgement, wanted: Outcome) -> Way:
    """Return how a leaf can become `met` or `not_met`, if time alone does not change it."""
    if isinstance(leaf, Manual | Unsupported):
        return Way.ANSWER
    if not isinstance(leaf, RecordLeaf | Pregnancy) or judgement.reason in _UNCLEAR:
        return Way.CORRECTION
    if not judgement.rows or _can_outweigh(leaf, wanted):
        return Way.RECORD
    return Way.CORRECTION


def _can_outweigh(leaf: RecordLeaf | Pregnancy, wanted: Outcome) -> bool:
    """Return whether a new record can change what the present records say."""
    if not isinstance(leaf, Observation) or leaf.value is None:
        return wanted == Outcome.MET
    value, is_met = leaf.value, wanted == Outcome.MET
    match leaf.pick:
        case Pick.LATEST:
            return True
        case Pick.EARLIEST:
            return False
        case Pick.ANY:
            return is_met
        case Pick.ALL:
            return not is_met
        case Pick.MAX:
            return value.high is None if is_met else value.high is not None
        case Pick.MIN:
            return value.low is None if is_met else value.low is not None
