"""Criteria are read, refused with a place and a sentence, and written back."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings

from tests.recruiting.criteria.generated import Terms
from tests.recruiting.criteria.generated_criteria import trees
from trially.recruiting.criteria.checking import check_expression
from trially.recruiting.criteria.days import LOOK_BACK
from trially.recruiting.criteria.english.sentences import describe
from trially.recruiting.criteria.english.words import Names
from trially.recruiting.criteria.hashing import leaf_hash
from trially.recruiting.criteria.language.criteria import (
    Side,
    dump_expression,
    parse_criteria,
    parse_expression,
)
from trially.recruiting.criteria.language.json_schema import criteria_schema
from trially.recruiting.criteria.language.nodes import dump_plain
from trially.recruiting.criteria.language.problems import CriteriaError

SCHEMA = jsonschema_rs.Draft202012Validator(criteria_schema())


def document(expression: dict[str, Any]) -> dict[str, Any]:
    criterion = {"id": "x", "kind": "inclusion", "expression": expression}
    return {"schema": 1, "criteria": [criterion]}


def problems_of(expression: Any, side: Side = Side.INCLUSION) -> list[tuple[str, str]]:
    with pytest.raises(CriteriaError) as caught:
        parse_expression(expression, side)
    return [tuple(problem) for problem in caught.value.problems]


@settings(max_examples=100, deadline=None)
@given(trees())
def test_what_is_read_is_written_back_the_same(expression: dict[str, Any]) -> None:
    tree = parse_expression(expression)
    written = dump_expression(tree)
    assert parse_expression(written) == tree
    assert dump_expression(parse_expression(written)) == written == dump_plain(tree)
    assert SCHEMA.is_valid(document(expression))
    assert SCHEMA.is_valid(document(written))
    text = describe(tree, Names(Terms()))
    assert text.count("\n") + 1 >= len(list(tree.leaves()))


@pytest.mark.parametrize(
    ("expression", "pointer", "detail"),
    [
        ({}, "", "A criterion has one kind, and this one has none."),
        ({"age": {"gte": 18, "plus": 1}}, "/age/plus", "'plus' is not known here."),
        ({"age": {}}, "/age", "Give 'gte', 'gt', 'lte' or 'lt'."),
        ({"age": {"gte": 18.5}}, "/age/gte", "18.5 is not a whole number."),
        ({"age": {"gte": 18, "gt": 18}}, "/age/gt", "Give 'gte' or 'gt', not both."),
        ({"age": {"gte": 30, "lt": 20}}, "/age", "No value is above 30 and below 20."),
        ({"sex": "f"}, "/sex", "'f' is not one of 'female', 'male' or 'other'."),
        ({"all": []}, "/all", "The list has 0 items, not 1 to 200."),
        ({"any": [{"sex": 1}]}, "/any/0/sex", "1 is not one of"),
        ({"then": {"sex": "male"}}, "", "A criterion has one kind, and this one has none."),
        ({"when": {"sex": "male"}}, "", "'then' is missing."),
        ({"sex": "male", "age": {"gte": 1}}, "", "A criterion has one kind, and this one has 2"),
        (
            {"count": {"at_least": 3, "of": [{"sex": "male"}]}},
            "/count/at_least",
            "There are only 1 criteria in 'of'.",
        ),
        (
            {"condition": {"in": {"codes": ["sct|44054007"]}}},
            "/condition/in/codes/0",
            "'44054007' (sct) has not the form of a code",
        ),
        ({"condition": {"in": {"codes": ["44054006"]}}}, "/condition/in/codes/0", "is no code"),
        ({"condition": {}}, "/condition", "'in' is missing"),
        (
            {"condition": {"in": {"valueset": "t2dm"}, "within": {"from": "P6M"}}},
            "/condition/within/from",
            "'P6M' is not a duration before now",
        ),
        (
            {"condition": {"in": {"valueset": "t2dm"}, "within": {"from": "-P1M", "to": "-P1Y"}}},
            "/condition/within/from",
            "'-P1M' is later than '-P1Y'. Exchange them.",
        ),
        (
            {"observation": {"code": ["loinc|4548-4"], "value": {"gte": 7}}},
            "/observation/value",
            "Bounds need a 'unit'",
        ),
        (
            {"sex": "male", "source": {"text": "Men", "document": "d", "start": 3, "end": 9}},
            "/source/end",
            "The place has 6 characters, and the text 3.",
        ),
        ({"not": {"when": {"sex": "male"}, "then": {"sex": "male"}}}, "/not", "may not be below"),
    ],
)
def test_errors_name_the_place_and_the_remedy(
    expression: dict[str, Any], pointer: str, detail: str
) -> None:
    [problem] = problems_of(expression)
    assert problem[0] == pointer
    assert detail in problem[1]


def test_all_problems_are_reported_at_once() -> None:
    expression = {"all": [{"age": {}}, {"sex": "x"}, {"nothing": 1}]}
    places = [pointer for pointer, _ in problems_of(expression)]
    assert places == ["/all/0/age", "/all/1/sex", "/all/2/nothing"]


def test_trees_have_limits() -> None:
    deep: dict[str, Any] = {"sex": "male"}
    for _ in range(8):
        deep = {"not": deep}
    assert "more than 8 deep" in problems_of(deep)[0][1]
    very_deep = deep
    for _ in range(2000):
        very_deep = {"not": very_deep}
    assert "nested more than" in problems_of(very_deep)[0][1]
    assert "201 nodes" in problems_of({"all": [{"sex": "male"}] * 200})[0][1]


def test_when_inside_of_an_exclusion_is_refused() -> None:
    when = {"when": {"sex": "female"}, "then": {"pregnancy": {}}}
    assert parse_expression(when, Side.EXCLUSION)
    assert problems_of({"any": [when]}, Side.EXCLUSION)[0][0] == "/any/0"


def test_ids_of_criteria_are_unique() -> None:
    criterion = {"id": "x", "kind": "inclusion"}
    with pytest.raises(CriteriaError, match="has the id 'x' too") as caught:
        parse_criteria({"schema": 1, "criteria": [criterion, criterion]})
    assert caught.value.problems[0].pointer == "/criteria/1/id"


@pytest.mark.parametrize(
    ("leaf", "pointer", "detail"),
    [
        ({"condition": {"in": {"valueset": "no"}}}, "/condition/in/valueset/0", "no value set"),
        (
            {"observation": {"code": ["loinc|4548-4"], "value": {"lt": 9, "unit": "mg/dL"}}},
            "/observation/value/unit",
            "'mg/dL' is no unit of HbA1c. Known are '%', 'mmol/mol'.",
        ),
        (
            {
                "observation": {
                    "code": ["loinc|4548-4", "loinc|2345-7"],
                    "value": {"lt": 9, "unit": "%"},
                }
            },
            "/observation/in",
            "The codes measure HbA1c and glucose.",
        ),
        ({"medication": {"in": {"ingredient": "6809"}}}, "/medication/in/ingredient/0", "6809"),
    ],
)
def test_codes_and_units_are_checked(leaf: dict[str, Any], pointer: str, detail: str) -> None:
    [problem] = check_expression(parse_expression(leaf), Terms())
    assert problem.pointer == pointer
    assert detail in problem.detail


def test_other_spellings_mean_the_same() -> None:
    one = {"condition": {"code": ["sct|44054006"], "onset": {"before": "P6M"}}}
    other = {
        "condition": {
            "in": {"codes": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
            "within": {"to": "-P6M"},
        }
    }
    assert parse_expression(one) == parse_expression({"schema": 1, **other})


def test_hashes_change_with_what_a_result_depends_on() -> None:
    [(_, leaf)] = parse_expression({"condition": {"in": {"valueset": "t2dm"}}}).leaves()
    first = leaf_hash(leaf, Terms(), "UTC", LOOK_BACK)
    assert first == leaf_hash(leaf, Terms(), "UTC", LOOK_BACK)
    assert first != leaf_hash(leaf, Terms(), "Europe/Berlin", LOOK_BACK)
    [(_, other)] = parse_expression(
        {"condition": {"in": {"valueset": "t2dm"}, "status": "active"}}
    ).leaves()
    assert first != leaf_hash(other, Terms(), "UTC", LOOK_BACK)
