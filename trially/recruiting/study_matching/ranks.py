"""The order of matches, and what keeps a criterion from being decided."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from trially.recruiting.criteria.evaluation.verdicts import Rule, StudyResult, Verdict
from trially.recruiting.criteria.judgements import Outcome

VERDICTS = tuple(Verdict)

_PER_CONFLICT, _PER_PERSON = 1_000, 100_000
_PER_UNKNOWN, _PER_VERDICT = 10_000_000, 1_000_000_000
"""What a conflict, a question for a person, an unknown and a worse verdict add to the rank."""


class UnknownKind(StrEnum):
    """What keeps a criterion from being decided."""

    RECORD = "record"
    """A record is missing or does not say enough."""
    CONFLICT = "conflict"
    """Records contradict each other."""
    PERSON = "person"
    """A person must answer."""


def kinds_of_undecided(rank: Any) -> dict[str, Any]:
    """Return how many criteria of a match are not decided, by their kinds, from its rank.

    `rank` is a number, or a column of numbers.
    """
    people = rank % _PER_UNKNOWN // _PER_PERSON
    conflicts = rank % _PER_PERSON // _PER_CONFLICT
    unknowns = rank % _PER_VERDICT // _PER_UNKNOWN
    return {"records": unknowns - people - conflicts, "conflicts": conflicts, "people": people}


def rank_of(verdict: Any, *, unknowns: Any, people: Any, conflicts: Any, score: Any) -> Any:
    """Return the place of a match among the matches of a study, or among those of a patient.

    The least is the best. `verdict` is a number, and all arguments are numbers or columns of them.
    """
    return (
        verdict * _PER_VERDICT
        + unknowns * _PER_UNKNOWN
        + people * _PER_PERSON
        + conflicts * _PER_CONFLICT
        + (100 - score)
    )


def count_kinds(kinds: Iterable[UnknownKind | None]) -> dict[str, int]:
    """Return how many criteria are not decided, by what keeps them from it."""
    listed = list(kinds)
    return {
        "records": listed.count(UnknownKind.RECORD),
        "conflicts": listed.count(UnknownKind.CONFLICT),
        "people": listed.count(UnknownKind.PERSON),
    }


def score_of(result: StudyResult) -> int:
    """Return the score of a result as matches have it: from 0 to 100, also for the ineligible."""
    return int(result.score + 100 if result.verdict == Verdict.INELIGIBLE else result.score)


def unknown_kind(rule: Rule, outcome: Outcome) -> UnknownKind | None:
    """Return what keeps a criterion from being decided for a patient, None if it is decided."""
    if outcome == Outcome.CONFLICT:
        return UnknownKind.CONFLICT
    if outcome not in (Outcome.UNKNOWN, Outcome.UNSUPPORTED):
        return None
    is_for_people = rule.is_for_people or outcome == Outcome.UNSUPPORTED
    return UnknownKind.PERSON if is_for_people else UnknownKind.RECORD
