"""What would satisfy a criterion: which leaves, in which way, and in which words."""

import datetime as dt
from typing import Any

import pytest

from tests.recruiting.criteria.generated import Terms
from tests.recruiting.criteria.judged_facts import (
    HBA1C_7_TO_10,
    NEW_YORK,
    NOW,
    WOMAN,
    diabetes,
    hba1c,
)
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.english.words import Names
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.evaluation.folding import BITS_OF
from trially.recruiting.criteria.evaluation.verdicts import compile_rules
from trially.recruiting.criteria.explaining.changes import Change, ChangeFinder
from trially.recruiting.criteria.explaining.flips import MOST_ALTERNATIVES, smallest_flips
from trially.recruiting.criteria.facts import Fact, Person
from trially.recruiting.criteria.judgements import Outcome
from trially.recruiting.criteria.language.criteria import parse_criteria

T2DM = {"condition": {"in": {"codes": ["sct|44054006"]}, "missing": "not_met"}}
TODAY = [hba1c("2026-11-20T08:00", "8")]


def alternatives(
    expression: dict[str, Any] | None,
    facts: list[Fact],
    kind: str = "inclusion",
    person: Person = WOMAN,
    **more: Any,
) -> list[list[Change]]:
    """Return what would make a patient satisfy one criterion."""
    criterion = {"id": "c", "kind": kind, **more}
    if expression is not None:
        criterion["expression"] = expression
    criteria = parse_criteria({"schema": 1, "criteria": [criterion]})
    tree = criteria.criteria[0].expression
    engine = Engine([] if tree is None else [leaf for _, leaf in tree.leaves()], Terms())
    [rule] = compile_rules(criteria, engine.index_of)
    chart = Chart(person, facts, NEW_YORK)
    subject = engine.subject(chart, Moment(NOW, NEW_YORK))
    judgements = engine.judge_all(chart, subject)
    finder = ChangeFinder(engine, chart, subject, judgements, Names(Terms()))
    return [list(each) for each in finder.alternatives(rule)]


def observation(pick: str, **value: Any) -> dict[str, Any]:
    leaf = {"in": {"codes": ["loinc|4548-4"]}, "pick": pick, "value": {**value, "unit": "%"}}
    return {"observation": leaf}


def test_a_satisfied_criterion_needs_nothing() -> None:
    assert alternatives(HBA1C_7_TO_10, TODAY) == []


def test_any_of_two_leaves_is_enough() -> None:
    found = alternatives({"any": [T2DM, HBA1C_7_TO_10]}, [])

    assert [[each.pointer for each in one] for one in found] == [["/any/0"], ["/any/1"]]


def test_both_of_two_leaves_are_needed() -> None:
    [both] = alternatives({"all": [T2DM, HBA1C_7_TO_10]}, [])

    assert [each.pointer for each in both] == ["/all/0", "/all/1"]


def test_three_leaves_are_needed_and_the_fourth_is_not() -> None:
    four = [T2DM, HBA1C_7_TO_10, {"manual": "Willing?"}, {"sex": ["female"]}]

    [needed] = alternatives({"all": four}, [])

    assert [each.pointer for each in needed] == ["/all/0", "/all/1", "/all/2"]
    assert {each.wanted for each in needed} == {Outcome.MET}


def test_what_is_negated_must_not_hold() -> None:
    four = [{"not": T2DM}, {"not": {"sex": ["female"]}}, {"not": {"manual": "Ill?"}}]

    [needed] = alternatives({"all": four}, [diabetes("2020-01-01")])

    assert {each.wanted for each in needed} == {Outcome.NOT_MET}


def test_alternatives_are_bounded() -> None:
    questions = [{"manual": f"Question {number}?"} for number in range(40)]

    found = alternatives({"any": questions}, [])

    assert len(found) == MOST_ALTERNATIVES
    assert len(alternatives({"all": questions}, [])) == 1


@pytest.mark.parametrize(
    ("pick", "value", "wanted", "way"),
    [
        ("latest", {"gte": 9}, "met", "record"),
        ("latest", {"lte": 9}, "not_met", "record"),
        ("earliest", {"gte": 9}, "met", "correction"),
        ("any", {"gte": 9}, "met", "record"),
        ("any", {"gte": 7}, "not_met", "correction"),
        ("all", {"gte": 9}, "met", "correction"),
        ("all", {"gte": 7}, "not_met", "record"),
        ("max", {"gte": 9}, "met", "record"),
        ("max", {"lte": 7}, "met", "correction"),
        ("max", {"gte": 7}, "not_met", "correction"),
        ("max", {"lte": 9}, "not_met", "record"),
        ("min", {"lte": 7}, "met", "record"),
        ("min", {"gte": 9}, "met", "correction"),
        ("min", {"gte": 7}, "not_met", "record"),
    ],
)
def test_a_new_value_helps_only_if_it_counts(
    pick: str, value: dict[str, Any], wanted: str, way: str
) -> None:
    kind = "inclusion" if wanted == "met" else "exclusion"

    [(change,)] = alternatives(observation(pick, **value), TODAY, kind)

    assert (change.wanted, change.way) == (wanted, way)


def test_an_exclusion_by_a_record_needs_a_correction() -> None:
    [(change,)] = alternatives(T2DM, [diabetes("2020-01-01")], "exclusion")

    assert (change.way, change.wanted) == ("correction", "not_met")
    assert change.text.startswith("A correction of the records, so that this does not hold:")


def test_silence_of_a_patient_without_records_needs_any_record() -> None:
    covered = {"condition": {"in": {"codes": ["sct|44054006"]}}}

    [(change,)] = alternatives(covered, [], "exclusion")

    assert change.text == "A new record of any kind, dated 2024-11-27 or later."


def test_a_window_says_from_when_to_when() -> None:
    earlier = {"condition": {**T2DM["condition"], "within": {"from": "-P2Y", "to": "-P6M"}}}

    [(change,)] = alternatives(earlier, [])

    assert (change.from_day, change.to_day) == (dt.date(2024, 11, 27), dt.date(2026, 5, 27))
    assert "dated from 2024-11-27 to 2026-05-27, by which this holds:" in change.text


def test_time_alone_ends_a_window() -> None:
    recent = {"condition": {**T2DM["condition"], "within": {"from": "-P6M"}}}

    [(change,)] = alternatives(recent, [diabetes("2026-09-01")], "exclusion")

    assert (change.way, change.text[:15]) == ("time", "From 2027-03-02")


def test_what_is_known_of_a_person_needs_a_correction() -> None:
    [(change,)] = alternatives({"age": {"lt": 18}}, [])
    [(unknown,)] = alternatives({"sex": ["male"]}, [], person=WOMAN._replace(sex=None))

    assert change.text.startswith("A correction of the birth date, so that this holds:")
    assert unknown.text == (
        "A correction of the administrative sex, so that this holds: The patient's administrative"
        " sex is male. The administrative sex is not known."
    )


def test_a_person_decides_a_criterion_without_an_expression() -> None:
    source = {"text": "Able to comply"}

    [(change,)] = alternatives(None, [], "exclusion", source=source)

    assert (change.way, change.text) == (
        "answer",
        "A person decides that this is not so: Able to comply",
    )


def test_each_flip_satisfies_its_criterion() -> None:
    tree = {"count": {"exactly": 2, "of": [T2DM, {"sex": "male"}, {"manual": "Willing?"}]}}
    written = {"id": "c", "kind": "inclusion", "expression": tree}
    criteria = parse_criteria({"schema": 1, "criteria": [written]})
    expression = criteria.criteria[0].expression
    assert expression is not None
    engine = Engine([leaf for _, leaf in expression.leaves()], Terms())
    [rule] = compile_rules(criteria, engine.index_of)
    assert rule.fold is not None
    results = [BITS_OF[Outcome.NOT_MET], BITS_OF[Outcome.NOT_MET], BITS_OF[Outcome.UNKNOWN]]

    flips = smallest_flips(rule, results)

    assert flips
    for flip in flips:
        changed = list(results)
        for index, outcome in flip:
            changed[index] = BITS_OF[outcome]
        assert rule.fold(changed, 1).met
