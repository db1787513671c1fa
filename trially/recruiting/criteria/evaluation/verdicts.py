"""Verdicts of studies: eligible, potential or ineligible, and how patients are ranked."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from trially.recruiting.criteria.days import NEVER
from trially.recruiting.criteria.evaluation.folding import (
    BITS_OF,
    Bits,
    Fold,
    compile_fold,
    outcome_of,
)
from trially.recruiting.criteria.evaluation.persons import has_died
from trially.recruiting.criteria.evaluation.subjects import Subject
from trially.recruiting.criteria.judgements import Judgement, Outcome, Reason
from trially.recruiting.criteria.language.criteria import Criteria, Criterion, Side
from trially.recruiting.criteria.language.person_leaves import (
    Deceased,
    Leaf,
    Manual,
    Unsupported,
)

_UNDECIDED = Bits(0, 0)


class Verdict(StrEnum):
    """What a study's criteria say of a patient."""

    ELIGIBLE = "eligible"
    """All inclusions are met, and no exclusion is."""
    POTENTIAL = "potential"
    """No hard criterion fails, and some are not decided, or soft ones fail."""
    INELIGIBLE = "ineligible"
    """A hard criterion fails."""


class Standing(StrEnum):
    """Why a patient is not matched at all, whatever the criteria say."""

    MATCHED = "matched"
    DECEASED = "deceased"
    NOT_CURRENT = "not_current"
    """The record is withdrawn, inactive, or replaced by another one."""


class Doubt(IntEnum):
    """Why a criterion is not decided, from what is settled soonest to what is not."""

    UNCLEAR = 1
    """There are records, and they do not decide."""
    CONFLICT = 2
    ABSENT = 3
    """There is no record."""
    PERSON = 4
    """A person must answer: the same for all patients."""


_ABSENT = frozenset(
    {
        *(Reason.NO_RECORD, Reason.NO_COVERAGE, Reason.NO_BIRTH_DATE, Reason.NO_SEX),
        *(Reason.NO_PLACE, Reason.ENROLLMENTS_UNKNOWN),
    }
)
_OF_PEOPLE = frozenset({Reason.FOR_A_PERSON, Reason.NOT_IN_LANGUAGE})


class Verdicts(NamedTuple):
    """Patients by their verdict, as sets of bits."""

    eligible: int
    potential: int
    ineligible: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A criterion, and how it follows from the results of leaves."""

    criterion: Criterion
    fold: Fold | None
    """None for a criterion that a person decides."""
    indices: tuple[int, ...]
    """Its leaves, by their indices."""
    pointers: tuple[str, ...]
    """JSON pointers of the leaves in the expression."""
    is_for_people: bool
    """Whether a person must decide all of it, for each patient."""


def compile_rules(criteria: Criteria, index_of: Mapping[Leaf, int]) -> list[Rule]:
    """Return the rules of a study's criteria, in their order."""
    rules = []
    for criterion in criteria.criteria:
        tree = criterion.expression
        is_exclusion = criterion.kind == Side.EXCLUSION
        fold = None if tree is None else compile_fold(tree, index_of, is_exclusion=is_exclusion)
        leaves = [] if tree is None else list(tree.leaves())
        rules.append(
            Rule(
                criterion,
                fold,
                indices=tuple(index_of[leaf] for _, leaf in leaves),
                pointers=tuple(pointer for pointer, _ in leaves),
                is_for_people=all(isinstance(leaf, Manual | Unsupported) for _, leaf in leaves),
            )
        )
    return rules


def asks_for_the_deceased(criteria: Criteria) -> bool:
    """Return whether a criterion asks whether patients have died. Others leave the dead out."""
    trees = [each.expression for each in criteria.criteria if each.expression is not None]
    return any(isinstance(leaf, Deceased) for tree in trees for _, leaf in tree.leaves())


def fold_rules(rules: Sequence[Rule], results: Sequence[Bits], universe: int) -> list[Bits]:
    """Return the results of all criteria for the patients of a universe."""
    return [_UNDECIDED if rule.fold is None else rule.fold(results, universe) for rule in rules]


def decide(rules: Sequence[Rule], found: Sequence[Bits], universe: int) -> Verdicts:
    """Return the verdicts that the results of criteria give."""
    eligible, ineligible = universe, 0
    for rule, bits in zip(rules, found, strict=True):
        is_inclusion = rule.criterion.kind == Side.INCLUSION
        eligible &= bits.met if is_inclusion else bits.not_met
        if rule.criterion.hard:
            ineligible |= bits.not_met if is_inclusion else bits.met
    return Verdicts(eligible, universe & ~(eligible | ineligible), ineligible)


def bits_of(judgements: Sequence[Judgement]) -> list[Bits]:
    """Return the results of leaves of one patient, who is the universe 1."""
    return [BITS_OF[each.outcome] for each in judgements]


class StudyResult(NamedTuple):
    """What a study's criteria say of one patient."""

    verdict: Verdict
    standing: Standing
    outcomes: tuple[Outcome, ...]
    """By criterion, in their order."""
    met: int
    """Masks with one bit for each criterion, by its place in the list."""
    not_met: int
    unknown: int
    score: float
    """From 0 to 100, and less than 0 for the ineligible. It orders patients, and means no more."""
    doubts: tuple[Doubt, ...]
    """Of the criteria that are not decided."""
    valid_until: dt.datetime

    @property
    def rank(self) -> tuple[int, int, int, float]:
        """The key to sort by, best first: verdict, number of unknowns, their kinds, score."""
        order = list(Verdict).index(self.verdict)
        return order, len(self.doubts), sum(self.doubts), -self.score


def judge_study(
    rules: Sequence[Rule],
    judgements: Sequence[Judgement],
    subject: Subject,
    *,
    wants_deceased: bool,
    answers: Mapping[str, bool] | None = None,
    results: Sequence[Bits] | None = None,
) -> StudyResult:
    """Return the result of one patient.

    `results` are the bits of the judgements, `bits_of`, if the caller evaluates many studies.

    `answers` are those of people, by the id of the criterion: they replace what the records say.
    """
    found = fold_rules(rules, bits_of(judgements) if results is None else results, 1)
    for number, rule in enumerate(rules):
        answer = (answers or {}).get(rule.criterion.id)
        if answer is not None:
            found[number] = Bits(int(answer), int(not answer))
    until = NEVER
    if subject.moment.looks_ahead:
        until = min((judgements[i].until for rule in rules for i in rule.indices), default=NEVER)
    standing, until = _standing(subject, until, wants_deceased=wants_deceased)
    verdicts = decide(rules, found, 1)
    verdict = Verdict.ELIGIBLE if verdicts.eligible else Verdict.POTENTIAL
    if verdicts.ineligible or standing != Standing.MATCHED:
        verdict = Verdict.INELIGIBLE
    met = sum(bits.met << number for number, bits in enumerate(found))
    not_met = sum(bits.not_met << number for number, bits in enumerate(found))
    return StudyResult(
        verdict,
        standing,
        tuple(map(outcome_of, found)),
        met,
        not_met,
        ((1 << len(rules)) - 1) & ~(met | not_met),
        _score(rules, found) - (100 if verdict == Verdict.INELIGIBLE else 0),
        tuple(
            _doubt(rule, judgements)
            for rule, bits in zip(rules, found, strict=True)
            if not bits.met and not bits.not_met
        ),
        until,
    )


def _standing(
    subject: Subject, until: dt.datetime, *, wants_deceased: bool
) -> tuple[Standing, dt.datetime]:
    if subject.person.record_status != "current":
        return Standing.NOT_CURRENT, NEVER
    if wants_deceased:
        return Standing.MATCHED, until
    is_dead, changes_at = has_died(subject)
    # A patient who may have died by then is not matched, so that no family is called by mistake.
    return Standing.MATCHED if is_dead is False else Standing.DECEASED, min(until, changes_at)


def _score(rules: Sequence[Rule], found: Sequence[Bits]) -> float:
    """Return the weight of the inclusions that are met, as a share of all, in percent."""
    inclusions = [
        (rule.criterion.weight, bits.met)
        for rule, bits in zip(rules, found, strict=True)
        if rule.criterion.kind == Side.INCLUSION
    ]
    whole = sum(weight for weight, _ in inclusions)
    return 100.0 * sum(weight for weight, met in inclusions if met) / whole if whole else 100.0


def _doubt(rule: Rule, judgements: Sequence[Judgement]) -> Doubt:
    """Return why a criterion is not decided: the kind of its leaf that is settled soonest."""
    doubts = [
        _doubt_of(judgements[index])
        for index in rule.indices
        if judgements[index].outcome not in (Outcome.MET, Outcome.NOT_MET)
    ]
    return min(doubts, default=Doubt.PERSON)


def _doubt_of(judgement: Judgement) -> Doubt:
    if judgement.outcome == Outcome.CONFLICT:
        return Doubt.CONFLICT
    if judgement.reason in _OF_PEOPLE:
        return Doubt.PERSON
    return Doubt.ABSENT if judgement.reason in _ABSENT else Doubt.UNCLEAR
