"""A patient's records, and their timeline."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from members import Member


def at(day: int, hour: int = 0) -> dt.datetime:
    return dt.datetime(2024, 1, day, hour, tzinfo=dt.UTC)


@pytest.fixture
def patient_id(member: Member, make_patient: Callable[..., Any]) -> str:
    return str(make_patient(member)["id"])


def walk(member: Member, path: str, **query: Any) -> list[dict[str, Any]]:
    items = []
    while True:
        page = member.get(path, query_string=query).json
        items += page["data"]
        if not page["page"]["has_more"]:
            return items
        query["cursor"] = page["page"]["next"]


def test_a_record_is_shown_whole(
    member: Member, patient_id: str, make_fact: Callable[..., str]
) -> None:
    values = {
        "code_system": "http://loinc.org",
        "code": "4548-4",
        "display": "Haemoglobin A1c",
        "other_codings": [{"system": "s", "code": "c", "display": None}],
        "start_at": at(1, 9),
        "start_precision": "instant",
        "value_number": Decimal("7.20"),
        "unit": "%",
        "comparator": "<",
    }
    record_id = make_fact(member.tenant, patient_id, source_id="o1", **values)

    answer = member.get(f"/patients/{patient_id}/records")

    assert answer.status_code == 200
    assert answer.json["data"] == [
        {
            **values,
            "id": record_id,
            "masked_fields": [],
            "at": "2024-01-01T09:00:00Z",
            "at_on": "2024-01-01",
            "dated_by": "occurrence",
            "type": "observation",
            "category": None,
            "status": None,
            "clinical_status": None,
            "verification_status": None,
            "criticality": None,
            "negated": False,
            "intent": None,
            "has_focus": False,
            "focus": None,
            "start_at": "2024-01-01T09:00:00Z",
            "start_on": "2024-01-01",
            "start_offset": None,
            "end_at": None,
            "end_on": None,
            "end_precision": None,
            "end_offset": None,
            "date_problem": None,
            "recorded_at": None,
            "value_number": 7.2,
            "value_decimal": "7.20",
            "reference_low": None,
            "reference_high": None,
            "reference_text": None,
            "interpretation": None,
            "details": None,
            "value_code_system": None,
            "value_code": None,
            "value_text": None,
            "parent_code": None,
            "source": "fhir",
            "source_type": "Observation",
            "source_id": "o1",
            "component": 0,
            "entered_in_error": False,
            "withdrawn_at": None,
            "withdrawn_reason": None,
        }
    ]


def test_an_event_is_a_line(member: Member, patient_id: str, make_fact: Callable[..., str]) -> None:
    event_id = make_fact(
        member.tenant,
        patient_id,
        type="condition",
        code_system="http://snomed.info/sct",
        code="44054006",
        display="Diabetes",
        clinical_status="active",
        verification_status="differential",
        status="final",
        start_at=at(1),
        start_precision="month",
        end_at=at(2),
    )

    assert member.get(f"/patients/{patient_id}/timeline").json["data"] == [
        {
            "id": event_id,
            "masked_fields": [],
            "at": "2024-01-01T00:00:00Z",
            "at_on": "2024-01-01",
            "dated_by": "occurrence",
            "precision": "month",
            "until": "2024-01-02T00:00:00Z",
            "until_on": "2024-01-02",
            "date_problem": None,
            "type": "condition",
            "source_type": "Observation",
            "category": None,
            "code_system": "http://snomed.info/sct",
            "code": "44054006",
            "display": "Diabetes",
            "status": "active",
            "verification_status": "differential",
            "negated": False,
            "intent": None,
            "has_focus": False,
            "focus": None,
            "value": None,
            "interpretation": None,
            "withdrawn_at": None,
            "withdrawn_reason": None,
        }
    ]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"value_number": Decimal("7.2"), "unit": "%"}, "7.2 %"),
        ({"value_number": Decimal("7.200"), "unit": "%"}, "7.2 %"),
        ({"value_number": Decimal(120), "unit": "mm[Hg]"}, "120 mm[Hg]"),
        ({"value_number": Decimal(100)}, "100"),
        ({"value_number": Decimal(0), "unit": "%"}, "0 %"),
        ({"value_number": Decimal("-1.50")}, "-1.5"),
        ({"value_number": Decimal("1E+3"), "comparator": ">="}, ">=1000"),
        ({"value_number": Decimal("0.00001"), "comparator": "<", "unit": "g"}, "<0.00001 g"),
        ({"value_text": "never", "value_code": "N"}, "never"),
        ({"value_code": "N"}, "N"),
        ({"unit": "%"}, None),
        ({}, None),
    ],
)
def test_values_are_written_with_their_units(
    shared_member: Member,
    make_patient: Callable[..., Any],
    make_fact: Callable[..., str],
    values: dict[str, Any],
    shown: str | None,
) -> None:
    patient_id = make_patient(shared_member)["id"]
    make_fact(shared_member.tenant, patient_id, **values)

    assert shared_member.get(f"/patients/{patient_id}/timeline").json["data"][0]["value"] == shown


def test_records_are_narrowed_by_type_and_code(
    member: Member, patient_id: str, make_fact: Callable[..., str]
) -> None:
    sugar = make_fact(member.tenant, patient_id, code="4548-4")
    pressure = make_fact(member.tenant, patient_id, code="8480-6")
    diabetes = make_fact(member.tenant, patient_id, type="condition", code="44054006")

    def ids(query: str) -> set[str]:
        path = f"/patients/{patient_id}/records?{query}"
        return {record["id"] for record in member.get(path).json["data"]}

    assert ids("") == {sugar, pressure, diabetes}
    assert ids("type=observation") == {sugar, pressure}
    assert ids("code=4548-4") == {sugar}
    assert ids("type=condition&code=4548-4") == set()
    assert ids("type=condition&code=44054006") == {diabetes}


def test_what_was_entered_in_error_is_hidden(
    member: Member, patient_id: str, make_fact: Callable[..., str]
) -> None:
    right = make_fact(member.tenant, patient_id)
    wrong = make_fact(member.tenant, patient_id, entered_in_error=True)

    def ids(path: str) -> list[str]:
        return [item["id"] for item in member.get(f"/patients/{patient_id}/{path}").json["data"]]

    assert ids("records") == ids("records?entered_in_error=false") == [right]
    assert ids("records?entered_in_error=true") == [wrong]
    assert ids("timeline") == [right]


@pytest.mark.parametrize("route", ["records", "timeline"])
def test_the_newest_come_first_and_equal_times_lose_nothing(
    member: Member, patient_id: str, make_fact: Callable[..., str], route: str
) -> None:
    same = [make_fact(member.tenant, patient_id, start_at=at(5, 1)) for _ in range(7)]
    older = make_fact(member.tenant, patient_id, start_at=at(4))
    recorded = make_fact(member.tenant, patient_id, start_at=None, recorded_at=at(6))
    undated = [make_fact(member.tenant, patient_id) for _ in range(3)]
    reversed_ = make_fact(
        member.tenant, patient_id, start_at=at(9), date_problem="ends_before_start"
    )
    finer = make_fact(member.tenant, patient_id, start_at=at(5, 1) + dt.timedelta(microseconds=1))
    ancient = make_fact(member.tenant, patient_id, start_at=dt.datetime(1, 1, 2, tzinfo=dt.UTC))

    for limit in (1, 2, 3, 200):
        found = [
            item["id"] for item in walk(member, f"/patients/{patient_id}/{route}", limit=limit)
        ]
        assert found == [
            *(recorded, finer, *sorted(same), older, ancient),
            *sorted([*undated, reversed_]),
        ]


def test_records_are_of_one_patient(
    member: Member, make_patient: Callable[..., Any], make_fact: Callable[..., str]
) -> None:
    first, second = make_patient(member)["id"], make_patient(member)["id"]
    facts = [make_fact(member.tenant, patient) for patient in (first, first, second)]

    assert {item["id"] for item in walk(member, f"/patients/{first}/records")} == set(facts[:2])
    cursor = member.get(f"/patients/{first}/records?limit=1").json["page"]["next"]
    for path in (f"{second}/records", f"{first}/timeline"):
        answer = member.get(f"/patients/{path}", query_string={"cursor": cursor})
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "type=lab",
        "type=",
        "code=",
        "code=%00",
        "entered_in_error=yes",
        "entered_in_error=1",
        "limit=0",
        "limit=201",
        "cursor=x",
        "patient_id=1",
        "type=condition&type=observation",
    ],
)
def test_a_query_that_is_not_usable_is_refused(
    shared_member: Member, make_patient: Callable[..., Any], query: str
) -> None:
    patient_id = make_patient(shared_member)["id"]

    answer = shared_member.get(f"/patients/{patient_id}/records?{query}")

    assert answer.status_code == 400
    assert answer.json["errors"][0]["pointer"] == "/" + query.partition("=")[0]
