"""All patients at once, one by one, and slowly: the results are the same, on every tier.

Sets are compared when nothing is stored, with stored results and frames, after changes of some
patients, later on the same day, on the next day, and as of a former day. Each tier has two tenants
whose patients and records have the same ids.
"""

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import pytest

from tests.recruiting.criteria.generated_criteria import Json
from tests.recruiting.criteria.slow_evaluator import DAY, Situation, TooManyWorldsError
from tests.recruiting.criteria.slow_leaves import deaths
from tests.recruiting.criteria.slow_trees import Truth, leaves_of, truth_of_tree, verdict_of
from tests.recruiting.matching.clinic_tables import (
    add,
    fill,
    forget_frames,
    forget_leaves,
    remove,
)
from tests.recruiting.matching.generated_clinics import Clinic, Patient, end_of_day, examine_clinics
from tests.recruiting.matching.three_evaluators import (
    EXAMPLES,
    Answers,
    Place,
    Score,
    ask_sets,
    ask_slowly,
    check,
    leaf_of,
    may_stay_unknown,
    moment_at,
    truth_in,
)
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.evaluation.verdicts import compile_rules
from trially.recruiting.criteria.language.criteria import parse_criteria
from trially.recruiting.matching import lasting, setwise
from trially.recruiting.matching.subjects import patients_with
from trially.recruiting.study_matching.results import StudyResults

ROUNDS = 1
"""Each has ten clinics. `FUZZ_EXAMPLES` asks for more."""


def test_all_three_agree(place: Place) -> None:
    first = 0 if EXAMPLES is None else random.SystemRandom().randrange(2**32)
    rounds = ROUNDS if EXAMPLES is None else -(-EXAMPLES // 10)
    for number in range(first, first + rounds):
        try:
            examine_clinics(number, partial(compare_clinics, place))
        except Exception as error:
            error.add_note(f"Generated from the number {number}.")
            raise


def compare_clinics(place: Place, clinic: Clinic, other: Clinic) -> None:
    """Let two tenants have clinics with the same ids, and compare all answers about both."""
    with pytest.MonkeyPatch.context() as patched:
        # Of six patients, three may have changed, and results are still patched.
        patched.setattr(setwise, "FEW_PARTS", 2)
        clock = Clock(clinic.now.as_of)
        patched.setattr(lasting, "now", lambda: clock.now)
        for each, patients in (
            (place.tenant, clinic.patients),
            (place.neighbour, other.patients),
        ):
            with place.inside(each):
                fill(patients)
                forget_frames()
        examine(place, clinic, clock)
        with place.inside(place.neighbour):
            # Nothing of the other tenant is in what is stored of this one.
            check(other.leaves, other.patients, clinic.now, "other tenant", place.score)
    place.score.clinics += 1


@dataclass
class Clock:
    """What time it is for the product."""

    now: dt.datetime


def examine(place: Place, clinic: Clinic, clock: Clock) -> None:
    """Compare the answers of all evaluators in each state of what is stored."""
    leaves, patients, now = clinic.leaves, clinic.patients, clinic.now
    later_today = replace(now, as_of=clinic.later_today)
    tomorrow = replace(now, as_of=now.as_of + DAY)

    def ask(stage: str, moment: Situation, *, forget: bool = False) -> None:
        with place.inside(place.tenant):
            if forget:
                forget_leaves()
            check(leaves, patients, moment, stage, place.score)

    ask("cold", now)
    ask("stored results", now)
    ask("stored frames", now, forget=True)
    with place.inside(place.tenant):
        check_study(clinic, place.score)
    ask("day to come", replace(now, as_of=end_of_day(tomorrow)))
    clock.now = later_today.as_of
    ask("later today", later_today)
    with place.inside(place.tenant):
        remove([each if isinstance(each, int) else each.number for each in clinic.changed])
        add([each for each in clinic.changed if isinstance(each, Patient)])
    patients = clinic.after_changes
    ask("patched results", later_today)
    ask("patched frames", later_today, forget=True)
    clock.now = tomorrow.as_of
    ask("next day", tomorrow)
    ask("former day", replace(now, as_of=clinic.earlier))


def check_study(clinic: Clinic, score: Score) -> None:
    """Compare the verdicts of a study with those that follow from the slow results of leaves."""
    written = [leaf for _, _, tree in clinic.criteria for leaf in leaves_of(tree)]
    criteria = parse_criteria(
        {
            "schema": 1,
            "criteria": [
                {"id": str(number), "kind": kind, "hard": hard, "expression": tree}
                for number, (kind, hard, tree) in enumerate(clinic.criteria)
            ],
        }
    )
    leaves = [leaf_of(each) for each in written]
    moment = moment_at(clinic.now.as_of, clinic.now.zone)
    check(written, clinic.patients, clinic.now, "study", score)
    sets, results, answers = ask_sets(leaves, moment)
    engine = Engine(leaves, sets.terminology)
    wants_deceased = any("deceased" in leaf for leaf in written)
    universe = sets.people.everyone if wants_deceased else sets.universe
    by_leaf = dict(zip(leaves, results, strict=True))
    in_order = [by_leaf[leaf] for leaf in engine.leaves]
    rules = compile_rules(criteria, engine.index_of)
    verdicts = StudyResults.of(rules, in_order, universe, universe.bit_length()).verdicts()
    found = {}
    for name in ("eligible", "potential", "ineligible"):
        for patient in numbers_in(getattr(verdicts, name)):
            assert patient not in found
            found[patient] = name
    del found[99]
    assert found == slow_verdicts(clinic, written, answers, wants_deceased=wants_deceased)
    score.verdicts += len(found)


def slow_verdicts(
    clinic: Clinic, written: Sequence[Json], answers: Answers, *, wants_deceased: bool
) -> dict[int, str]:
    """Return the verdicts of the patients who are matched.

    Where the slow evaluator may not decide, the results that were compared already are used.
    """
    slow = ask_slowly(written, clinic.patients, clinic.now)
    found = {}
    for patient in clinic.patients:
        if patient.state != "current":
            continue
        if not wants_deceased and deaths(patient.person, clinic.now) != {False}:
            continue
        truths = {
            str(leaf): truth_in(bits)
            if isinstance(truth, TooManyWorldsError) or may_stay_unknown(leaf)
            else truth
            for leaf, truth, bits in zip(
                written, slow[patient.number], answers[patient.number], strict=True
            )
        }
        found[patient.number] = verdict_of(
            [
                (kind, hard, _truth_of(tree, truths, excludes=kind == "exclusion"))
                for kind, hard, tree in clinic.criteria
            ]
        )
    return found


def _truth_of(tree: Json, truths: dict[str, Truth], *, excludes: bool) -> Truth:
    return truth_of_tree(tree, lambda leaf: truths[str(leaf)], excludes=excludes)


def numbers_in(members: int) -> list[int]:
    """Return the numbers of the patients of a set."""
    ordinals = [n for n in range(members.bit_length()) if members >> n & 1]
    return [patient_id.int for patient_id in patients_with(ordinals).values()]
