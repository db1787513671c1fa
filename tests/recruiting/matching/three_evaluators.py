"""Asks three evaluators the same of all patients of a tenant, and compares their answers."""

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Flask

from tests.recruiting.criteria.generated import MEANING, Terms
from tests.recruiting.criteria.generated_criteria import Json
from tests.recruiting.criteria.slow_evaluator import Situation, TooManyWorldsError
from tests.recruiting.criteria.slow_leaves import truth_of
from tests.recruiting.criteria.slow_reading import read_leaf
from tests.recruiting.matching.generated_clinics import Patient
from trially.database.session import transaction
from trially.recruiting.criteria.days import Days, Moment
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.evaluation.folding import BITS_OF, Bits
from trially.recruiting.criteria.language.criteria import parse_expression
from trially.recruiting.criteria.language.person_leaves import Leaf
from trially.recruiting.matching.charts import read_charts
from trially.recruiting.matching.deciding import wanted_by
from trially.recruiting.matching.setwise import SetWise
from trially.recruiting.matching.some_patients import SomePatients
from trially.recruiting.matching.subjects import changed_since, patients_with
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context

Answers = dict[int, list[tuple[int, ...]]]
"""By the number of a patient: of each leaf, in which of the sets of `Bits` the patient is."""

MET, NOT_MET = True, False

EXAMPLES = int(os.environ["FUZZ_EXAMPLES"]) if "FUZZ_EXAMPLES" in os.environ else None
"""So many other clinics instead, different ones each time."""


@dataclass
class Score:
    """How much was compared."""

    results: int = 0
    """Results of leaves, each of one patient, given by all three."""
    undecided: int = 0
    """Of these, results that the product leaves unknown where the slow evaluator knows. Decision 61
    allows it for greatest and smallest values, and for durations of medications."""
    too_many_worlds: int = 0
    """Results that two evaluators gave, because the slow one would try too many possibilities."""
    verdicts: int = 0
    clinics: int = 0
    stages: dict[str, int] = field(default_factory=dict)


@dataclass
class Place:
    """Two tenants of one tier, whose patients and records have the same ids."""

    app: Flask
    tenant: Tenant
    neighbour: Tenant
    score: Score

    @contextmanager
    def inside(self, tenant: Tenant) -> Iterator[None]:
        """Open one transaction of a tenant."""
        with self.app.app_context(), tenant_context(str(tenant.id)), transaction():
            yield


def leaf_of(written: Json) -> Leaf:
    [(_, leaf)] = parse_expression(written).leaves()
    return leaf


def moment_at(at: dt.datetime, zone: ZoneInfo) -> Moment:
    return Moment(at, Days(zone))


def ask_sets(leaves: Sequence[Leaf], moment: Moment) -> tuple[SetWise, list[Bits], Answers]:
    """Return what the set-wise evaluator answers for the patients whose records are current."""
    sets = SetWise(moment, Terms())
    found = sets.evaluate(leaves)
    everyone = sets.people.everyone
    ordinals = [n for n in range(everyone.bit_length()) if everyone >> n & 1]
    answers = {
        patient_id.int: [tuple(members >> ordinal & 1 for members in bits) for bits in found]
        for ordinal, patient_id in patients_with(ordinals).items()
    }
    for bits in found:
        assert (bits.met | bits.not_met) & ~everyone == 0, "A result of nobody"
    return sets, found, answers


def ask_some(leaves: Sequence[Leaf], moment: Moment) -> Answers:
    """Return what the set-wise evaluator answers for two halves of the patients, each alone."""
    everyone = {n: each for n, each in changed_since(0, 100_000).items() if each is not None}
    engine = Engine(leaves, Terms())
    answers = {}
    for half in (0, 1):
        patients = {n: each for n, each in everyone.items() if n % 2 == half}
        some = SomePatients(patients, moment, engine, Terms())
        found = some.evaluate()
        for place, ordinal in enumerate(sorted(patients)):
            if some.everyone >> place & 1:
                answers[patients[ordinal].int] = [
                    tuple(members >> place & 1 for members in found[engine.index_of[leaf]])
                    for leaf in leaves
                ]
    return answers


def ask_persons(leaves: Sequence[Leaf], moment: Moment, numbers: Sequence[int]) -> Answers:
    """Return what the evaluator of one patient answers."""
    engine = Engine(leaves, Terms())
    answers = {}
    wanted = wanted_by(engine.selectors)
    for chart in read_charts([UUID(int=number) for number in numbers], moment, wanted):
        judgements = engine.judge_all(chart, engine.subject(chart, moment))
        answers[chart.person.id.int] = [
            tuple(BITS_OF[judgements[engine.index_of[leaf]].outcome]) for leaf in leaves
        ]
    return answers


def ask_slowly(
    written: Sequence[Json], patients: Sequence[Patient], now: Situation
) -> dict[int, list[Any]]:
    """Return the truths that the slow evaluator finds, or an error where it cannot."""
    leaves = [read_leaf(each) for each in written]
    return {
        patient.number: [_try_truth(leaf, patient, now) for leaf in leaves] for patient in patients
    }


def _try_truth(leaf: Any, patient: Patient, now: Situation) -> Any:
    try:
        return truth_of(leaf, patient.person, patient.facts, now, MEANING)
    except TooManyWorldsError as error:
        return error


def truth_in(bits: tuple[int, ...]) -> bool | None:
    """Return the truth of a result."""
    return MET if bits[0] else NOT_MET if bits[1] else None


def compare(
    written: Sequence[Json],
    answers: tuple[Answers, Answers, dict[int, list[Any]]],
    stage: str,
    score: Score,
) -> None:
    """Compare the answers of all three: set-wise, of one patient, and slow."""
    sets, persons, slow = answers
    assert sets.keys() <= persons.keys()
    for number, of_sets in sets.items():
        differing = _differing(written, of_sets, persons[number])
        assert not differing, (stage, number, differing, slow.get(number))
        if number not in slow:
            continue  # The survivor of replaced records.
        for leaf, bits, truth in zip(written, of_sets, slow[number], strict=True):
            if isinstance(truth, TooManyWorldsError):
                score.too_many_worlds += 1
                continue
            found = truth_in(bits)
            if found != truth and may_stay_unknown(leaf):
                assert found is None, (stage, number, leaf, truth)
                score.undecided += 1
            else:
                assert found == truth, (stage, number, leaf, truth)
            score.results += 1
            score.stages[stage] = score.stages.get(stage, 0) + 1


def may_stay_unknown(leaf: Json) -> bool:
    """Whether decision 61 allows to miss that all possibilities agree."""
    [what] = leaf.values()
    return isinstance(what, dict) and (
        what.get("pick") in ("max", "min") or what.get("min_days") is not None
    )


def _differing(written: Sequence[Json], one: Any, other: Any) -> Any:
    return [each for each in zip(written, one, other, strict=True) if each[1] != each[2]]


def check(
    written: Sequence[Json],
    patients: Sequence[Patient],
    now: Situation,
    stage: str,
    score: Score,
) -> None:
    """Compare the results of leaves for all patients of the current tenant."""
    leaves, moment = [leaf_of(each) for each in written], moment_at(now.as_of, now.zone)
    _, _, sets = ask_sets(leaves, moment)
    assert ask_some(leaves, moment) == sets, stage
    assert {each.number for each in patients if each.state == "current"} == sets.keys() - {99}
    persons = ask_persons(leaves, moment, [each.number for each in patients] + [99])
    compare(written, (sets, persons, ask_slowly(written, patients, now)), stage, score)
