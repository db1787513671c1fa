"""Studies, criteria and numbers become valid resources, and nothing is left out silently."""

import datetime as dt
from base64 import b64decode
from typing import Any
from uuid import UUID

import orjson
import pytest
from validating import validate

from trially.fhir.capabilities import write_capabilities
from trially.fhir.groups import write_group
from trially.fhir.libraries import write_library
from trially.fhir.reports import write_report
from trially.fhir.studies import STATUSES, statuses_of, write_study
from trially.recruiting.criteria.language.criteria import dump_criteria, parse_criteria
from trially.recruiting.studies.model import StudyStatus

NOW = dt.datetime(2026, 11, 27, 8, 0, tzinfo=dt.UTC)
STUDY: dict[str, Any] = {
    "id": UUID(int=1),
    "protocol_number": "P-1",
    "nct_id": "NCT00000001",
    "title": "A study",
    "sponsor": "A sponsor",
    "phases": ["phase_3", "phase_2"],
    "study_type": "interventional",
    "status": "recruiting",
    "recruiting_status": "open",
    "conditions": ["Type 2 diabetes"],
    "keywords": ["insulin"],
    "interventions": [{"type": "drug", "name": "Insulin"}],
    "updated_at": NOW,
}
VERSION: dict[str, Any] = {
    "id": UUID(int=2),
    "number": 3,
    "status": "active",
    "criteria_hash": "ab" * 32,
    "effective_on": dt.date(2026, 1, 2),
    "approved_at": NOW,
    "updated_at": NOW,
}
SCT = "http://snomed.info/sct"
GENDERS = "http://hl7.org/fhir/administrative-gender"
UCUM = "http://unitsofmeasure.org"


def criterion(expression: Any, kind: str = "inclusion", **more: Any) -> dict[str, Any]:
    values = {
        "key": UUID(int=9),
        "kind": kind,
        "statement": "Word for word",
        "evaluation": "not_expressed" if expression is None else "expressed",
        "expression": expression,
        "is_hard": True,
        "weight": 1,
    }
    return {**values, **more}


def group_of(*criteria: dict[str, Any]) -> dict[str, Any]:
    return validate(write_group(STUDY, VERSION, criteria))


def quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def test_a_study_is_a_research_study() -> None:
    resource = validate(write_study(STUDY, 3, ["A clinic"]))

    assert resource["id"] == str(UUID(int=1))
    assert resource["status"] == "active"
    assert resource["phase"]["coding"][0]["code"] == "phase-2-phase-3"
    assert [each["value"] for each in resource["identifier"]] == ["NCT00000001", "P-1"]
    assert resource["condition"] == [{"text": "Type 2 diabetes"}]
    assert resource["focus"] == [{"text": "Insulin"}]
    assert resource["enrollment"] == [{"reference": f"Group/{UUID(int=1)}-3"}]
    assert resource["relatedArtifact"][0]["resource"] == f"Library/{UUID(int=1)}-3"
    assert resource["site"] == [{"type": "Location", "display": "A clinic"}]


@pytest.mark.parametrize("status", StudyStatus)
def test_each_status_is_valid_and_found_again(status: StudyStatus) -> None:
    resource = validate(write_study({**STUDY, "status": status}, None))

    code = STATUSES[status]
    assert resource.get("status") == code
    assert ("_status" in resource) is (code is None)
    assert resource["extension"][0]["valueCode"] == status.value
    assert code is None or status in statuses_of(code)
    assert "enrollment" not in resource


@pytest.mark.parametrize("phases", [[], ["phase_1"], ["phase_1", "phase_4"]])
def test_phases_that_fhir_lacks_are_text(phases: list[str]) -> None:
    resource = validate(write_study({**STUDY, "phases": phases, "nct_id": None}, None))

    found = resource.get("phase", {})
    assert ("text" in found) is (len(phases) == 2)
    assert ("coding" in found) is (len(phases) == 1)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (
            {"age": {"gte": 18, "lt": 76}},
            {"valueRange": {"low": quantity(18, "a"), "high": quantity(75, "a")}},
        ),
        ({"age": {"gt": 6, "unit": "mo"}}, {"valueRange": {"low": quantity(7, "mo")}}),
        (
            {"sex": "female"},
            {"valueCodeableConcept": {"coding": [{"system": GENDERS, "code": "female"}]}},
        ),
        (
            {"condition": {"in": {"codes": "sct|44054006"}}},
            {"valueCodeableConcept": {"coding": [{"system": SCT, "code": "44054006"}]}},
        ),
        (
            {
                "observation": {
                    "in": {"codes": "loinc|4548-4"},
                    "value": {"gte": 7, "lte": 10, "unit": "%"},
                }
            },
            {"valueRange": {"low": quantity(7, "%"), "high": quantity(10, "%")}},
        ),
        (
            {"observation": {"in": {"codes": "loinc|4548-4"}, "value": {"lt": 6.5, "unit": "%"}}},
            {"valueQuantity": {**quantity(6.5, "%"), "comparator": "<"}},
        ),
        ({"observation": {"in": {"codes": "loinc|4548-4"}}}, {"valueBoolean": True}),
    ],
)
@pytest.mark.parametrize("kind", ["inclusion", "exclusion"])
def test_a_criterion_is_a_characteristic(expression: Any, value: Any, kind: str) -> None:
    group = group_of(criterion(expression, kind))

    [found] = group["characteristic"]
    del found["code"]
    assert found == {"exclude": kind == "exclusion", **value}
    assert "extension" not in group


def test_codes_of_which_one_is_needed_are_a_value_set() -> None:
    codes = {
        "valueset": "t2dm",
        "codes": ["sct|44054006", "sct|73211009"],
        "icd10_prefix": "E11.2",
        "descendants": True,
    }
    group = group_of(criterion({"condition": {"in": codes}}))

    [value_set] = group["contained"]
    includes = value_set["compose"]["include"]
    assert group["characteristic"][0]["valueReference"]["reference"] == f"#{value_set['id']}"
    assert includes[0] == {"valueSet": ["https://trially.ai/fhir/ValueSet/t2dm"]}
    assert includes[1]["concept"] == [{"code": "44054006"}, {"code": "73211009"}]
    filters = [each["filter"][0] for each in includes[2:]]
    assert [(each["op"], each["value"]) for each in filters] == [
        ("is-a", "44054006"),
        ("is-a", "73211009"),
        ("regex", r"E11\.2.*"),
        ("regex", r"E11\.2.*"),
    ]


def test_groups_of_a_tree_are_said_where_the_meaning_stays() -> None:
    age, sex = {"age": {"gte": 18}}, {"sex": "male"}

    both = group_of(criterion({"all": [age, {"not": sex}]}))
    neither = group_of(criterion({"any": [age, {"not": sex}]}, "exclusion"))
    either = group_of(criterion({"any": [age, sex]}))
    not_both = group_of(criterion({"all": [age, sex]}, "exclusion"))

    assert [each["exclude"] for each in both["characteristic"]] == [False, True]
    assert [each["exclude"] for each in neither["characteristic"]] == [True, False]
    for left_out in (either, not_both):
        assert "characteristic" not in left_out
        assert len(left_out["extension"]) == 1


@pytest.mark.parametrize(
    ("expression", "more"),
    [
        (None, {}),
        (None, {"evaluation": "manual"}),
        ({"manual": "Able to comply?"}, {}),
        ({"unsupported": "Will benefit"}, {}),
        ({"age": {"gte": 18}}, {"is_hard": False}),
        ({"sex": ["female", "male"]}, {}),
        ({"deceased": False}, {}),
        ({"pregnancy": {}}, {}),
        ({"condition": {"in": {"codes": "sct|44054006"}, "status": "active"}}, {}),
        ({"condition": {"in": {"codes": "sct|44054006"}, "within": {"from": "-P90D"}}}, {}),
        ({"procedure": {"in": {"codes": "sct|232717009"}, "min_count": 2}}, {}),
        ({"observation": {"in": {"codes": ["loinc|4548-4", "loinc|17856-6"]}}}, {}),
        ({"observation": {"in": {"codes": "loinc|4548-4"}, "pick": "any"}}, {}),
        ({"medication": {"in": {"ingredient": "6809"}}}, {}),
        ({"medication": {"in": {"codes": "rxnorm|860975"}, "min_days": 90}}, {}),
        ({"when": {"sex": "female"}, "then": {"age": {"lt": 50}}}, {}),
        ({"count": {"at_least": 1, "of": [{"sex": "female"}, {"age": {"lt": 50}}]}}, {}),
    ],
)
def test_what_a_group_cannot_say_is_named(expression: Any, more: dict[str, Any]) -> None:
    group = group_of(criterion(expression, **more), criterion({"age": {"gte": 18}}))

    [left_out] = group["extension"]
    parts = {each["url"]: each for each in left_out["extension"]}
    assert parts["key"]["valueId"] == str(UUID(int=9))
    assert parts["statement"]["valueString"] == "Word for word"
    assert parts["reason"]["valueString"].startswith("A Group cannot say ")
    assert len(group["characteristic"]) == 1


def test_a_range_with_an_open_end_is_not_excluded_in_halves() -> None:
    leaf = {"in": {"codes": "loinc|4548-4"}, "value": {"gt": 7, "lt": 10, "unit": "%"}}

    included = group_of(criterion({"observation": leaf}))
    excluded = group_of(criterion({"observation": leaf}, "exclusion"))

    comparators = [each["valueQuantity"]["comparator"] for each in included["characteristic"]]
    assert comparators == [">", "<"]
    assert len(excluded["extension"]) == 1


def test_a_library_has_all_criteria() -> None:
    criteria = [
        criterion({"age": {"gte": 18}}),
        criterion(None, "exclusion", key=UUID(int=8), is_hard=False, weight=3, statement=" "),
    ]

    resource = validate(write_library(STUDY, VERSION, criteria))

    [content] = resource["content"]
    written = orjson.loads(b64decode(content["data"]))
    parsed = parse_criteria(written)
    assert resource["version"] == VERSION["criteria_hash"]
    assert resource["url"] == f"urn:uuid:{UUID(int=2)}"
    assert content["contentType"] == "application/json"
    assert [each.id for each in parsed.criteria] == [str(UUID(int=9)), str(UUID(int=8))]
    assert parsed.criteria[0].source is not None
    assert parsed.criteria[1].weight == 3
    assert not parsed.criteria[1].hard
    assert dump_criteria(parsed)["criteria"][0]["expression"] == {"age": {"gte": 18}}


def test_a_number_that_is_hidden_is_absent() -> None:
    numbers = {
        "as_of": dt.date(2026, 11, 27),
        "patients": 40,
        "counts": {"eligible": None, "potential": 10, "ineligible": 30},
        "criteria": [
            {
                "key": str(UUID(int=9)),
                "kind": "inclusion",
                "passes": 30,
                "fails": None,
                "undecided": 0,
            }
        ],
    }

    report = validate(write_report(UUID(int=1), UUID(int=2), numbers, [criterion(None)]))

    study, step = report["group"]
    names = [each["code"]["coding"][0]["code"] for each in study["population"]]
    assert names == ["patients", "eligible", "potential", "ineligible"]
    assert [each.get("count") for each in study["population"]] == [40, None, 10, 30]
    assert study["population"][1]["_count"]["extension"][0]["valueCode"] == "masked"
    assert step["code"]["text"] == "inclusion: Word for word"
    assert [each.get("count") for each in step["population"]] == [30, None, 0]


def test_the_capabilities_are_valid() -> None:
    statement = validate(write_capabilities("https://example.org/api/v1/fhir"))

    assert [each["type"] for each in statement["rest"][0]["resource"]] == [
        "ResearchStudy",
        "Group",
        "Library",
        "MeasureReport",
    ]
