"""Patients in lists: pages, filters and searches."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from members import Member
from sqlalchemy import update

from trially.database.session import db, transaction
from trially.recruiting.patients.model import Patient
from trially.state import state_of
from trially.tenancy.context import tenant_context

NAMES = (
    "Ångström",
    "ångelika",
    "ÅNGSTRÖM",
    "O'Brien",
    "100%",
    "100x",
    "a_b",
    "axb",
    "a\\b",
    "ΟΔΥΣΣΕΥΣ",
    "İnan",
    "Straße",
    "李",
)


@pytest.fixture(scope="module")
def member(
    make_tenant: Callable[..., Any],
    as_member: Callable[..., Any],
    make_patient: Callable[..., Any],
) -> Any:
    member = as_member(make_tenant())
    for name in NAMES:
        make_patient(member, family_name=name, given_name="Given", mrn=f"mrn {name}")
    return member


def found(member: Member, **asked: Any) -> set[str]:
    answer = member.post("/patients/search", json=asked)
    assert answer.status_code == 200, answer.json
    return {patient["family_name"] for patient in answer.json["data"]}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("å", {"Ångström", "ångelika", "ÅNGSTRÖM", "axb", "a_b", "a\\b"}),
        ("ang", {"Ångström", "ångelika", "ÅNGSTRÖM"}),
        ("ÅNGS", {"Ångström", "ÅNGSTRÖM"}),
        ("o'b", {"O'Brien"}),
        ("100%", {"100%"}),
        ("100", {"100%", "100x"}),
        ("%", set()),
        ("_", set()),
        ("/", set()),
        ("\\", set()),
        ("a_", {"a_b"}),
        ("a\\", {"a\\b"}),
        ("ΟΔΥΣΣΕΥΣ", {"ΟΔΥΣΣΕΥΣ"}),
        ("οδυ", {"ΟΔΥΣΣΕΥΣ"}),
        ("İNAN", {"İnan"}),
        ("straß", {"Straße"}),
        ("李", {"李"}),
        ("ngström", set()),
        ("' OR true --", set()),
    ],
)
def test_names_are_found_by_their_beginning(member: Member, asked: str, expected: set[str]) -> None:
    assert found(member, family_name=asked) == expected


def test_every_name_finds_itself(member: Member) -> None:
    for name in NAMES:
        assert name in found(member, family_name=name)
        # Two of the names differ in case alone, and case does not matter.
        expected = {other for other in NAMES if other.casefold() == name.casefold()}
        assert found(member, mrn=f"mrn {name}") == expected
        assert found(member, mrn=f"MRN-{name}") == expected
        assert found(member, mrn=f"mrn {name}x") == set()


def test_all_that_is_asked_must_hold(member: Member) -> None:
    assert found(member, family_name="100", given_name="giv") == {"100%", "100x"}
    assert found(member, family_name="100", given_name="x") == set()
    assert found(member, family_name="100", birth_date="1960-05-17", sex="female") == {
        "100%",
        "100x",
    }
    assert found(member, birth_date="1960-05-18") == set()
    assert found(member, birth_date="0001-01-01") == set()
    assert found(member, sex="male") == set()
    assert found(member, site_id=str(uuid4())) == set()
    assert len(found(member)) == len(NAMES)


@pytest.mark.parametrize(
    "asked",
    [
        {"mrn": None},
        {"mrn": "a\x00"},
        {"family_name": ""},
        {"birth_date": "0000-00-00"},
        {"sex": "x"},
        {"limit": 0},
        {"limit": 201},
        {"limit": "5"},
        {"limit": True},
        {"phone": "1"},
        {"tenant_id": str(uuid4())},
    ],
)
def test_a_search_that_is_not_usable_is_refused(member: Member, asked: dict[str, Any]) -> None:
    answer = member.post("/patients/search", json=asked)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [f"/{next(iter(asked))}"]


def test_a_search_goes_on_page_by_page(member: Member) -> None:
    asked: dict[str, Any] = {"sex": "female", "limit": 5}
    names: list[str] = []
    while True:
        answer = member.post("/patients/search", json=asked).json
        names += [patient["family_name"] for patient in answer["data"]]
        if not answer["page"]["has_more"]:
            break
        asked["cursor"] = answer["page"]["next"]

    assert names == list(NAMES)
    other = {"sex": "male", "cursor": asked["cursor"]}
    assert member.post("/patients/search", json=other).status_code == 400
    assert member.get("/patients", query_string={"cursor": asked["cursor"]}).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=abc",
        "limit=",
        "limit=1&limit=2",
        "cursor=",
        "cursor=x",
        "cursor=" + "x" * 1001,
        "sex=F",
        "sex=",
        "sex=male&sex=female",
        "site_id=1",
        "source=%00",
        "name=Ada",
        "mrn=1",
        "offset=1",
        "page=2",
        "family_name=a",
        "limit=1%00",
    ],
)
def test_a_query_that_is_not_usable_is_refused(member: Member, query: str) -> None:
    answer = member.get(f"/patients?{query}")

    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert answer.json["errors"][0]["pointer"] == "/" + query.partition("=")[0]


def test_a_query_belongs_to_the_routes_that_read_one(member: Member) -> None:
    patient = member.get("/patients?limit=1").json["data"][0]

    for method in ("GET", "DELETE"):
        path, headers = f"/patients/{patient['id']}?dry_run=1", {"If-Match": "*"}
        answer = member.request(method, path, headers=headers)
        assert answer.status_code == 400
    assert member.get(f"/patients/{patient['id']}").status_code == 200


def test_a_cursor_expires(member: Member, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = member.get("/patients?limit=1").json["page"]["next"]
    assert member.get("/patients", query_string={"cursor": cursor}).status_code == 200
    settings = state_of(app).settings

    expired = replace(settings, cursor_lifetime_seconds=-1)
    monkeypatch.setattr(state_of(app), "settings", expired)

    assert member.get("/patients", query_string={"cursor": cursor}).status_code == 400


def walk(member: Member, **query: Any) -> Iterator[list[dict[str, Any]]]:
    while True:
        page = member.get("/patients", query_string=query).json
        yield page["data"]
        if not page["page"]["has_more"]:
            assert page["page"]["next"] is None
            return
        query["cursor"] = page["page"]["next"]


def test_pages_have_no_gap_and_nothing_twice_while_patients_come_in(
    as_member: Callable[..., Any],
    make_tenant: Callable[..., Any],
    make_patient: Callable[..., Any],
) -> None:
    member = as_member(make_tenant())
    first = [make_patient(member)["id"] for _ in range(120)]

    sizes, seen = [], []
    for page in walk(member, limit=50):
        sizes.append(len(page))
        seen += [patient["id"] for patient in page]
        make_patient(member)

    assert sizes == [50, 50, 22]
    assert seen[:120] == first
    assert len(set(seen)) == len(seen)


def test_lists_are_narrowed(
    app: Flask,
    as_member: Callable[..., Any],
    make_tenant: Callable[..., Any],
    make_patient: Callable[..., Any],
) -> None:
    member = as_member(make_tenant())
    site = member.post("/sites", json={"name": "Main"}).json["id"]
    here, there = make_patient(member, site_id=site), make_patient(member, sex="male")
    with app.app_context(), tenant_context(member.tenant.slug), transaction():
        db.session.execute(
            update(Patient)
            .where(Patient.mrn == there["mrn"])
            .values(source="fhir", given_name=None, birth_date=None, sex=None)
        )

    def ids(query: str) -> list[str]:
        return [patient["id"] for patient in member.get(f"/patients?{query}").json["data"]]

    assert ids("") == [here["id"], there["id"]]
    assert ids(f"site_id={site}") == [here["id"]]
    assert ids("sex=female") == [here["id"]]
    assert ids("sex=male") == []
    assert ids("source=fhir") == [there["id"]]
    assert ids("source=manual&sex=female") == [here["id"]]
    assert ids(f"source=fhir&site_id={site}") == []
