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
from trially.auth.roles import PhiLevel, Role
from trially.tenancy.catalog_choices import Tier

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

    moved = {**numbered(1, "100", "S1"), "name": [{"family": "Moved"}]}
    send(moved, numbered(4, "400", "S4"))
    assert mrns(member, source) == {**south, "p4": ("S4", SOUTH)}

    configure(member, source, mrn_system=None)
    assert mrns(member, source) == {**north, "p4": ("400", NORTH)}


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


def merge(member: Member, one: dict[str, Any], into: dict[str, Any]) -> Any:
    return member.post(f"/patients/{one['id']}/merge", json={"into": into["id"]})


def facts(member: Member, source: str) -> dict[str, list[str]]:
    return {
        name: sorted(each["source_id"] for each in records)
        for name, (_, records) in shown(member, source).items()
    }


def test_a_merge_by_hand_survives_imports_until_it_is_undone(
    member: Member, send: Send, source: str, other_tenant: Member
) -> None:
    people = (patient(1, "100"), patient(2, "200"))
    send(*people, condition("Patient/p1", "c1"), condition("Patient/p2", "c2"))
    first, second = (find(member, source, name) for name in ("p1", "p2"))

    merged = merge(member, second, first)

    assert (merged.status_code, merged.json["record_status"]) == (200, "replaced")
    assert merged.json["replaced_by_id"] == first["id"]
    assert facts(member, source) == {"p1": ["c1", "c2"], "p2": []}
    send(*people, condition("Patient/p2", "c3"))
    send({**patient(2, "200"), "name": [{"family": "Renamed"}]})
    assert facts(member, source) == {"p1": ["c1", "c2", "c3"], "p2": []}
    assert member.get(f"/patients/count?source={source}").json["count"] == 1

    assert merge(member, first, second).status_code == 409
    assert merge(member, first, first).status_code == 409
    strangers = [find(other_tenant, source, name) for name in ("p1", "p2")]
    assert merge(member, first, strangers[0]).status_code == 404
    assert merge(member, *strangers).status_code == 404

    undone = member.request("DELETE", f"/patients/{second['id']}/merge")
    assert (undone.status_code, undone.json["record_status"]) == (200, "current")
    assert facts(member, source) == {"p1": ["c1"], "p2": ["c2", "c3"]}


def test_nobody_stands_for_a_person_with_a_withdrawn_record(
    member: Member, send: Send, source: str
) -> None:
    send(patient(1, "100"), patient(2, "200"))
    send(deleted("Patient/p1"))

    answer = merge(member, find(member, source, "p2"), find(member, source, "p1"))

    assert answer.status_code == 409
    assert find(member, source, "p2")["record_status"] == "current"


def test_a_correction_is_shown_kept_and_released(
    member: Member, send: Send, source: str, other_tenant: Member
) -> None:
    def person(phone: str, born: str) -> dict[str, Any]:
        telecom = [{"system": "phone", "value": phone}]
        return {**patient(1, "100"), "telecom": telecom, "birthDate": born}

    send(person("555-1", "1956"))
    path = f"/patients/{find(member, source, 'p1')['id']}"
    changed = member.patch(path, json={"phone": "555-9", "birth_date": "1956-08-03"}).json
    assert changed["corrections"]["phone"]["imported"] == "555-1"
    assert changed["corrections"]["phone"]["by"] == member.subject
    assert set(changed["corrections"]) == {"phone", "birth_date", "birth_date_precision"}

    send(person("555-2", "1957"))
    kept = member.get(path).json
    assert (kept["phone"], kept["birth_date"]) == ("555-9", "1956-08-03")
    assert kept["corrections"]["phone"]["imported"] == "555-2"

    for field in ("phone", "birth_date"):
        released = member.request("DELETE", f"{path}/corrections/{field}")
        assert released.status_code == 200
    assert released.json["corrections"] == {}
    assert (released.json["phone"], released.json["birth_date"]) == ("555-2", "1957-01-01")
    assert released.json["birth_date_precision"] == "year"
    send(person("555-3", "1957"))
    assert member.get(path).json["phone"] == "555-3"
    assert member.request("DELETE", f"{path}/corrections/phone").status_code == 404
    stranger = find(other_tenant, source, "p1")["id"]
    assert member.request("DELETE", f"/patients/{stranger}/corrections/phone").status_code == 404


def test_a_taken_mrn_names_the_patient_only_to_those_who_see_it(
    member: Member, as_member: AsMember, send: Send, source: str, other_tenant: Member
) -> None:
    mrn, other_mrn = (f"M-{uuid4().hex[:8]}" for _ in range(2))
    send(patient(1, mrn))
    send(patient(9, other_mrn), to=other_tenant)
    taken = find(member, source, "p1")
    sites = [member.post("/sites", json={"name": str(uuid4())}).json["id"] for _ in range(2)]
    member.patch(f"/patients/{taken['id']}", json={"site_id": sites[0]})
    here, elsewhere = (
        as_member(member.tenant, Role.COORDINATOR, site_ids=[site]) for site in sites
    )
    limited = as_member(member.tenant, phi_level=PhiLevel.LIMITED)
    body = {"given_name": "A", "family_name": "B", "birth_date": "1960-05-17", "sex": "other"}

    def add(asking: Member, site: str, number: str) -> Any:
        return asking.post("/patients", json={**body, "mrn": number, "site_id": site})

    for asking, site, named in (
        (member, sites[0], taken["id"]),
        (here, sites[0], taken["id"]),
        (elsewhere, sites[1], None),
        (limited, sites[0], None),
    ):
        answer = add(asking, site, mrn)
        assert (answer.status_code, answer.json["code"]) == (409, "already_exists")
        assert answer.json.get("patient_id") == named
        assert answer.json["errors"][0]["pointer"] == "/mrn"
        assert mrn not in answer.text
    assert add(member, sites[0], other_mrn).status_code == 201
    other_tenant.delete(f"/patients/{find(other_tenant, source, 'p9')['id']}")


def test_an_erased_person_is_erased_with_all_records_and_never_comes_back(
    member: Member, send: Send, source: str, other_tenant: Member
) -> None:
    logical = {**condition("", "c9"), "subject": {"identifier": {"value": "200"}}}
    people = (patient(1, "100"), patient(2, "200"), patient(3, "300"))
    everything = (*people, condition("Patient/p1", "c1"), condition("Patient/p2", "c2"), logical)
    send(*everything)
    first, second, third = (find(member, source, name) for name in ("p1", "p2", "p3"))
    merge(member, third, second)
    merge(member, second, first)
    path = f"/patients/{first['id']}"

    refused = member.delete(path)
    assert (refused.status_code, refused.json["code"]) == (409, "record_replaces_others")
    assert sorted(refused.json["replaced_ids"]) == sorted([second["id"], third["id"]])
    stale = member.delete(f"{path}?replaced=true", headers={"If-Match": '"999"'})
    assert stale.status_code == 412
    assert set(shown(member, source)) == {"p1", "p2", "p3"}

    erased = member.delete(f"{path}?replaced=true", headers={"If-Match": "*"})
    assert erased.status_code == 204
    assert shown(member, source) == {}

    counts = send(*everything)["counts"]
    assert counts["Patient"]["erased"] == 3
    assert (counts["Condition"]["erased"], counts["Condition"]["waiting"]) == (3, 0)
    assert shown(member, source) == {}
    assert member.get(f"/imports/waiting?source={source}").json["data"] == []


def test_what_waits_for_an_erased_patient_goes_too(
    member: Member, send: Send, source: str, other_tenant: Member
) -> None:
    def about(value: str, name: str, system: str | None = None) -> dict[str, Any]:
        identifier = {"value": value, "system": system}
        return {**condition("", name), "subject": {"identifier": identifier}}

    twins = [{**patient(number, f"{number}00")} for number in (1, 2)]
    for twin in twins:
        twin["identifier"].append({"system": SOUTH, "value": "TWIN"})
    send(*twins)
    # Both have the identifier, so nobody can tell whom the first two are about.
    send(about("TWIN", "w1"), about("TWIN", "w2", SOUTH), about("other", "w3"))

    def waiting() -> list[str]:
        data = member.get(f"/imports/waiting?source={source}").json["data"]
        return sorted(one["source_id"] for one in data)

    assert waiting() == ["w1", "w2", "w3"]
    member.delete(f"/patients/{find(member, source, 'p1')['id']}")
    assert waiting() == ["w3"]
    assert facts(member, source) == {"p2": []}


def test_a_patient_is_erased_only_by_those_who_see_all_merged_records(
    member: Member, as_member: AsMember, send: Send, source: str
) -> None:
    send(patient(1, "100"), patient(2, "200"))
    first, second = (find(member, source, name) for name in ("p1", "p2"))
    sites = [member.post("/sites", json={"name": str(uuid4())}).json["id"] for _ in range(2)]
    for one, site in zip((first, second), sites, strict=True):
        member.patch(f"/patients/{one['id']}", json={"site_id": site})
    merge(member, second, first)
    admin = as_member(member.tenant, Role.ADMIN, site_ids=[sites[0]])

    path = f"/patients/{first['id']}?replaced=true"
    answer = admin.delete(path, headers={"If-Match": "*"})

    assert (answer.status_code, answer.json["code"]) == (409, "record_replaces_others")
    assert answer.json["replaced_ids"] == []
    assert second["id"] not in answer.text
    assert set(shown(member, source)) == {"p1", "p2"}


def test_a_replaced_record_is_erased_with_its_facts_only(
    member: Member, send: Send, source: str
) -> None:
    seen = {
        "resourceType": "Encounter",
        "id": "e2",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p2"},
        "period": {"start": "2020-05-01"},
    }
    send(patient(1, "100"), patient(2, "200"), condition("Patient/p1", "c1"), seen)
    first, second = (find(member, source, name) for name in ("p1", "p2"))
    merge(member, second, first)
    assert find(member, source, "p1")["last_encounter_on"] == "2020-05-01"

    assert member.delete(f"/patients/{second['id']}").status_code == 204

    assert facts(member, source) == {"p1": ["c1"]}
    assert find(member, source, "p1")["last_encounter_on"] is None
