"""Kleene's logic on bits, verdicts, and what would change them."""

from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recruiting.criteria.generated import Terms
from tests.recruiting.criteria.generated_criteria import trees
from tests.recruiting.criteria.judged_facts import (
    DIABETIC,
    HBA1C_7_TO_10,
    NEW_YORK,
    NOW,
    WOMAN,
    at,
    diabetes,
    hba1c,
)
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.english.words import Names
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.evaluation.folding import (
    BITS_OF,
    Bits,
    compile_fold,
    outcome_of,
)
from trially.recruiting.criteria.evaluation.verdicts import (
    Doubt,
    Standing,
    Verdict,
    compile_rules,
    judge_study,
)
from trially.recruiting.criteria.explaining.changes import Way, what_would_satisfy
from trially.recruiting.criteria.explaining.evidence import explain_leaf
from trially.recruiting.criteria.facts import Fact, Person
from trially.recruiting.criteria.judgements import Outcome
from trially.recruiting.criteria.language.criteria import parse_criteria, parse_expression

LEAF_OUTCOMES = [
    *(Outcome.MET, Outcome.NOT_MET, Outcome.UNKNOWN, Outcome.CONFLICT, Outcome.UNSUPPORTED),
]


def plain_truth(node: dict[str, Any], truths: dict[str, bool | None]) -> bool | None:
    """Kleene's logic of a tree, by its definition."""
    if "when" in node:
        when, then = (plain_truth(node[name], truths) for name in ("when", "then"))
        return True if when is False or then is True else False if when and then is False else None
    [(kind, value)] = node.items()
    if kind == "not":
        inner = plain_truth(value, truths)
        return None if inner is None else not inner
    if kind in ("all", "any"):
        found = [plain_truth(each, truths) for each in value]
        decisive = kind == "any"
        return decisive if decisive in found else None if None in found else not decisive
    if kind == "count":
        found = [plain_truth(each, truths) for each in value["of"]]
        least = value.get("exactly", value.get("at_least", 0))
        most = value.get("exactly", value.get("at_most", len(found)))
        possible = range(found.count(True), found.count(True) + found.count(None) + 1)
        results = {least <= number <= most for number in possible}
        return results.pop() if len(results) == 1 else None
    [(_, leaf)] = parse_expression(node).leaves()
    return truths[repr(leaf)]


@settings(max_examples=200, deadline=None)
@given(trees(), st.data())
def test_bits_of_many_patients_follow_kleene(expression: dict[str, Any], data: Any) -> None:
    tree = parse_expression(expression)
    leaves = list(dict.fromkeys(leaf for _, leaf in tree.leaves()))
    fold = compile_fold(tree, {leaf: index for index, leaf in enumerate(leaves)})
    patients = [
        [data.draw(st.sampled_from(LEAF_OUTCOMES)) for _ in leaves]
        for _ in range(data.draw(st.integers(1, 5)))
    ]
    universe = (1 << len(patients)) - 1
    together = fold([_bits(column) for column in zip(*patients, strict=True)], universe)
    for number, outcomes in enumerate(patients):
        alone = fold([BITS_OF[each] for each in outcomes], 1)
        assert alone == Bits(*(each >> number & 1 for each in together))
        truth = {Outcome.MET: True, Outcome.NOT_MET: False}
        truths = {repr(leaf): truth.get(each) for leaf, each in zip(leaves, outcomes, strict=True)}
        expected = plain_truth(expression, truths)
        assert (bool(alone.met), bool(alone.not_met)) == (expected is True, expected is False)
        if Outcome.CONFLICT not in outcomes:
            assert not alone.conflict
        assert outcome_of(alone) in Outcome
    assert all(0 <= each <= universe for each in together)


def _bits(outcomes: Any) -> Bits:
    found = [BITS_OF[each] for each in outcomes]
    return Bits(
        *(
            sum(each << number for number, each in enumerate(column))
            for column in zip(*found, strict=True)
        )
    )


CRITERIA = parse_criteria(
    {
        "schema": 1,
        "criteria": [
            {"id": "adult", "kind": "inclusion", "expression": {"age": {"gte": 18}}},
            {"id": "t2dm", "kind": "inclusion", "expression": DIABETIC},
            {"id": "hba1c", "kind": "inclusion", "expression": HBA1C_7_TO_10},
            {
                "id": "pregnant",
                "kind": "exclusion",
                "expression": {"when": {"sex": "female"}, "then": {"pregnancy": {}}},
            },
        ],
    }
)


class _Study:
    def __init__(self, person: Person, facts: list[Fact]) -> None:
        leaves = [
            leaf
            for each in CRITERIA.criteria
            if each.expression is not None
            for _, leaf in each.expression.leaves()
        ]
        self.engine = Engine(leaves, Terms())
        self.rules = compile_rules(CRITERIA, self.engine.index_of)
        self.chart = Chart(person, facts, NEW_YORK)
        self.subject = self.engine.subject(self.chart, Moment(NOW, NEW_YORK))
        self.judgements = self.engine.judge_all(self.chart, self.subject)

    def result(self, **others: Any) -> Any:
        arguments = self.rules, self.judgements, self.subject
        return judge_study(*arguments, wants_deceased=False, **others)

    def changes(self) -> dict[str, Any]:
        found = what_would_satisfy(
            self.rules, self.engine, self.chart, self.subject, self.judgements, Terms()
        )
        return {each.id: each.alternatives for each in found}


GOOD = [diabetes("2020-01-01"), hba1c("2026-11-01T08:00", "64", "mmol/mol")]


def test_a_patient_who_meets_all_is_eligible_until_the_value_is_old() -> None:
    result = _Study(WOMAN, GOOD).result()
    assert (result.verdict, result.met, result.not_met) == (Verdict.ELIGIBLE, 0b0111, 0b1000)
    assert (result.score, result.doubts) == (100.0, ())
    assert result.valid_until == at("2027-01-31T05:00")
    assert _Study(WOMAN, GOOD).changes() == {}


def test_an_unknown_exclusion_leaves_a_patient_potential() -> None:
    study = _Study(WOMAN._replace(sex=None), [diabetes("2020-01-01")])
    result = study.result()
    assert result.verdict == Verdict.POTENTIAL
    assert result.doubts == (Doubt.ABSENT, Doubt.ABSENT)
    [(change,)] = study.changes()["hba1c"]
    assert (change.way, change.wanted, str(change.from_day)) == (
        Way.RECORD,
        Outcome.MET,
        "2026-08-29",
    )
    assert change.text == (
        "A new result of HbA1c that is between 7 % and 10 %, dated 2026-08-29 or later."
    )


def test_the_exclusion_of_others_does_not_apply() -> None:
    result = _Study(WOMAN._replace(sex="male"), GOOD).result()
    assert result.outcomes[3] == Outcome.NOT_APPLICABLE
    assert result.verdict == Verdict.ELIGIBLE


def test_the_dead_and_former_records_are_ineligible() -> None:
    dead = _Study(WOMAN._replace(deceased=True), GOOD).result()
    former = _Study(WOMAN._replace(record_status="replaced"), GOOD).result()
    assert (dead.verdict, dead.standing) == (Verdict.INELIGIBLE, Standing.DECEASED)
    assert (former.verdict, former.standing) == (Verdict.INELIGIBLE, Standing.NOT_CURRENT)


def test_time_alone_may_make_a_patient_eligible() -> None:
    person = WOMAN._replace(birth_date=at("2008-11-29").date())
    study = _Study(person, GOOD)
    assert study.result().verdict == Verdict.INELIGIBLE
    [(change,)] = study.changes()["adult"]
    assert (change.way, change.at) == (Way.TIME, at("2026-11-29T05:00"))
    assert change.text == (
        "From a birthday on, without any new record, this holds:"
        " The patient is at least 18 years old."
    )


def test_answers_of_people_replace_what_records_say() -> None:
    study = _Study(WOMAN, [diabetes("2020-01-01"), hba1c("2026-11-01", "12")])
    assert study.result().verdict == Verdict.INELIGIBLE
    assert study.result(answers={"hba1c": True}).verdict == Verdict.ELIGIBLE


def test_better_patients_rank_first() -> None:
    eligible = _Study(WOMAN, GOOD).result()
    unclear = _Study(WOMAN, [GOOD[0], hba1c("2026-11-01", "8", "oops")]).result()
    absent = _Study(WOMAN, [GOOD[0]]).result()
    failing = _Study(WOMAN, [GOOD[0], hba1c("2026-11-01", "12")]).result()
    ranked = sorted([failing, absent, unclear, eligible], key=lambda each: each.rank)
    assert ranked == [eligible, unclear, absent, failing]


def test_evidence_shows_the_record_and_the_converted_value() -> None:
    study = _Study(WOMAN, GOOD)
    [(pointer, leaf)] = CRITERIA.criteria[2].expression.leaves()  # type: ignore[union-attr]
    judgement = study.judgements[study.engine.index_of[leaf]]
    explanation = explain_leaf(pointer, leaf, judgement, Names(Terms()))
    [evidence] = explanation.evidence
    assert (str(evidence.value), evidence.unit) == ("64", "mmol/mol")
    assert (str(evidence.converted), evidence.converted_unit) == ("8.0", "%")
    assert evidence.fact_id == GOOD[1].id != UUID(int=0)
    assert explanation.sentence == (
        "The most recent HbA1c within the last 90 days is between 7 % and 10 %."
    )
