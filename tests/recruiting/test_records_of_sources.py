"""Records of sources in each tier: withdrawn, missing, merged, corrected and erased ones.

Two tenants of one tier import records with the same keys. Nothing that the first one does may
reach the second one.
"""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import orjson
import pytest
from members import AsMember, MakeTenant, Member

from tests.recruiting.imports.importing import upload
from tests.recruiting.imports.writing.test_record_keys import condition, patient
from trially.tenancy.catalog import Tier

Send = Callable[..., Any]


@pytest.fixture(scope="module")
def members(make_tenant: MakeTenant, as_member: AsMember, tier: Tier) -> tuple[Member, Member]:
    """Administrators of two tenants in one tier."""
    return as_member(make_tenant(tier)), as_member(make_tenant(tier))


@pytest.fixture
def member(members: tuple[Member, Member]) -> Member:
    return members[0]


@pytest.fixture
def source() -> str:
    """A source that each of the two tenants has."""
    return f"hospital-{uuid4().hex[:8]}"


@pytest.fixture
def send(member: Member, source: str) -> Send:
    """Import resources as one file, and return the import."""

    def send(*resources: Any, to: Member = member, query: str = "") -> Any:
        body = b"\n".join(map(orjson.dumps, resources))
        answer = upload(to, body, query=f"?source={source}{query}")
        assert answer.status_code == 201, answer.json
        return answer.json

    return send


@pytest.fixture
def other_tenant(members: tuple[Member, Member], send: Send, source: str) -> Iterator[Member]:
    """The second tenant, with two patients. They are the same after the test."""
    other = members[1]
    send(patient(1, "100"), patient(2, "200"), condition("Patient/p1"), to=other)
    before = shown(other, source)
    yield other
    assert shown(other, source) == before


def shown(member: Member, source: str) -> dict[str, Any]:
    """Return the patients and records of a source, each patient by the id at the source."""
    patients = member.get(f"/patients?source={source}&record_status=all").json["data"]
    return {
        one["source_id"]: (one, member.get(f"/patients/{one['id']}/records").json["data"])
        for one in patients
    }


def find(member: Member, source: str, name: str) -> dict[str, Any]:
    return dict(shown(member, source)[name][0])


def deleted(reference: str) -> dict[str, Any]:
    entry = {"request": {"method": "DELETE", "url": reference}}
    return {"resourceType": "Bundle", "type": "history", "entry": [entry]}


def test_withdrawn_records_are_left_out_unless_asked_for(
    member: Member, send: Send, source: str, other_tenant: Member
) -> None:
    send(patient(1, "100"), condition("Patient/p1", "c1"), condition("Patient/p1", "c2"))
    path = f"/patients/{find(member, source, 'p1')['id']}"
    assert member.get(f"{path}/records?total=true").json["page"]["total"] == 2

    send(deleted("Condition/c1"))

    for name in ("records", "timeline"):
        for query, reasons in {
            "": [None],
            "withdrawn=false": [None],
            "withdrawn=true": ["deleted"],
            "withdrawn=all": [None, "deleted"],
        }.items():
            answer = member.get(f"{path}/{name}?total=true&{query}").json
            found = [
                (one["withdrawn_at"] is None, one["withdrawn_reason"]) for one in answer["data"]
            ]
            assert sorted(found, key=str) == [(reason is None, reason) for reason in reasons[::-1]]
            assert answer["page"]["total"] == len(reasons)
    assert member.get(f"{path}/records?withdrawn=yes").status_code == 400


def test_a_full_export_withdraws_what_it_lacks_when_confirmed(
    member: Member, send: Send, source: str, other_tenant: Member
) -> None:
    everything = (patient(1, "100"), patient(2, "200"), condition("Patient/p1"))
    send(*everything)

    job = send(patient(1, "100"), condition("Patient/p1", "c2"), query="&complete=true")

    path = f"/imports/{job['id']}"
    assert (job["completeness"], job["missing"]) == ("listed", {"Condition": 1, "Patient": 1})
    missing = member.get(f"{path}/missing").json["data"]
    missing.sort(key=lambda one: one["source_type"])
    assert [(one["source_type"], one["source_id"]) for one in missing] == [
        ("Condition", "c1"),
        ("Patient", "p2"),
    ]
    assert member.get(f"{path}/missing?type=Patient").json["data"] == missing[1:]
    assert find(member, source, "p2")["record_status"] == "current"
    assert other_tenant.get(f"{path}/missing").status_code == 404
    assert other_tenant.post(f"{path}/withdrawal").status_code == 404

    for _ in range(2):
        confirmed = member.post(f"{path}/withdrawal")
        assert confirmed.status_code == 200
        assert confirmed.json["completeness"] == "withdrawn"
        assert confirmed.json["counts"]["Patient"]["withdrawn"] == 1
    gone = find(member, source, "p2")
    assert (gone["record_status"], gone["withdrawn_reason"]) == ("withdrawn", "missing_from_export")
    assert [one["source_id"] for one in shown(member, source)["p1"][1]] == ["c2"]

    send(*everything)
    assert find(member, source, "p2")["record_status"] == "current"
    assert len(shown(member, source)["p1"][1]) == 2


NORTH, SOUTH = "urn:oid:1.2.3", "urn:oid:4.5.6"


def numbered(number: int, north: str, south: str) -> dict[str, Any]:
    """A patient with numbers of two hospitals."""
    person = patient(number, north)
    person["identifier"].append({"system": SOUTH, "value": south})
    return person


def configure(member: Member, source: str, **changes: Any) -> Any:
    [found] = member.get(f"/sources?name={source}").json["data"]
    return member.patch(f"/sources/{found['id']}", json=changes)


def mrns(member: Member, source: str) -> dict[str, tuple[str, str | None]]:
    return {
        name: (one["mrn"], one["mrn_system"]) for name, (one, _) in shown(member, source).items()
    }


def test_another_mrn_system_reaches_stored_patients(
    member: Member, send: Send, source: str, other_tenant: Member
) -> None:
    people = (numbered(1, "100", "S1"), numbered(2, "200", "S2"), patient(3, "300"))
    send(*people)
    corrected = find(member, source, "p2")
    member.patch(f"/patients/{corrected['id']}", json={"mrn": "BY-HAND"})
    north = {"p1": ("100", NORTH), "p2": ("BY-HAND", NORTH), "p3": ("300", NORTH)}
    assert mrns(member, source) == north

    assert configure(member, source, mrn_system=SOUTH).status_code == 200
    south = {"p1": ("S1", SOUTH), "p2": ("BY-HAND", SOUTH), "p3": ("300", NORTH)}
    assert mrns(member, source) == south
    assert find(member, source, "p2")["corrections"]["mrn"]["imported"] == "S2"
    assert send(*people)["counts"]["Patient"]["changed"] == 0
    assert mrns(member, source) == south

    configure(member, source, mrn_system=None)
    assert mrns(member, source) == north


def test_a_system_with_equal_numbers_is_refused_and_names_the_patients(
    member: Member, send: Send, source: str, other_tenant: Member
) -> None:
    send(numbered(1, "100", "S1"), numbered(2, "200", "S1"), numbered(3, "300", "S3"))
    before = mrns(member, source)

    answer = configure(member, source, mrn_system=SOUTH)

    assert (answer.status_code, answer.json["code"]) == (409, "already_exists")
    twins = sorted(find(member, source, name)["id"] for name in ("p1", "p2"))
    assert answer.json["conflicts"] == [twins]
    assert "S1" not in answer.text
    assert mrns(member, source) == before
    assert member.get(f"/sources?name={source}").json["data"][0]["mrn_system"] is None
