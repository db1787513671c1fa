"""`GET /audit`: who may read what of the log, in which formats, and of which tenant."""

import csv
import io
import json
from typing import Any

import pytest
from members import AsMember, MakePatient, Member
from two_tenants import Clinic

from trially.auth.roles import PhiLevel, Role

CSV, NDJSON, FHIR = "text/csv", "application/x-ndjson", "application/fhir+json"


def read(member: Member, query: str = "", accept: str = "application/json") -> Any:
    answer = member.get(f"/audit{query}", headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    return answer


def records(member: Member, query: str = "") -> list[dict[str, Any]]:
    return list(read(member, query).json["data"])


def test_the_log_names_who_saw_whom(clinic: Clinic) -> None:
    patient_id = clinic.patient["id"]
    shown = records(clinic.auditor, f"?patient_id={patient_id}")

    routes = [each["route"] for each in shown if each["member"]["name"] == "=Vic Viewer"]
    assert routes[:2] == ["GET /api/v1/patients/{patient_id}", "GET /api/v1/patients"]
    assert all(patient_id in each["patients"] for each in shown)
    seen = next(each for each in shown if each["action"] == "read")
    assert seen["phi_level"] == "limited"
    assert "birth_date" in seen["fields_shown"]
    assert [each["at"] for each in shown] == sorted((each["at"] for each in shown), reverse=True)


def test_old_and_new_values_are_for_those_who_see_patients(clinic: Clinic) -> None:
    query = f"?action=update&patient_id={clinic.patient['id']}"
    [whole] = records(clinic.owner, query)
    answer = read(clinic.auditor, query)

    assert whole["changes"][0]["values"] == {"phone": [clinic.patient["phone"], "SECRET-phone"]}
    assert answer.json["data"][0]["changes"][0] == whole["changes"][0] | {
        "values": None,
        "row_id": None,
    }
    for accept in (CSV, NDJSON, FHIR):
        assert "SECRET-phone" not in read(clinic.auditor, query, accept).text


@pytest.mark.parametrize("level", [PhiLevel.LIMITED, PhiLevel.NONE])
def test_values_need_the_phi_level_full(
    clinic: Clinic, as_member: AsMember, level: PhiLevel
) -> None:
    admin = as_member(clinic.owner.tenant, Role.ADMIN, phi_level=level)
    for accept in ("application/json", CSV, NDJSON):
        assert "SECRET-phone" not in read(admin, "", accept).text


def test_filters_narrow_the_log(clinic: Clinic) -> None:
    [seen] = records(clinic.auditor, "?route=GET /api/v1/patients/{patient_id}&outcome=200&limit=1")
    member_id, at, request_id = seen["member"]["id"], seen["at"], seen["request_id"]

    def ids(query: str) -> set[str]:
        return {each["id"] for each in records(clinic.auditor, f"?limit=200&{query}")}

    assert ids(f"request_id={request_id}") == {seen["id"]}
    assert seen["id"] in ids(f"member_id={member_id}&action=read")
    assert seen["id"] in ids(f"since={at.replace('+', '%2B')}")
    assert seen["id"] not in ids(f"until={at.replace('+', '%2B')}")
    assert ids("outcome=500") == ids("operator=stranger") == set()
    one = clinic.auditor.get(f"/audit/{seen['id']}")
    assert one.json == seen


def test_pages_follow_one_another(clinic: Clinic) -> None:
    until = records(clinic.auditor, "?limit=1")[0]["at"].replace("+", "%2B")
    whole = [each["id"] for each in records(clinic.auditor, f"?until={until}&limit=200")]
    paged: list[str] = []
    cursor = ""
    while cursor is not None:
        page = read(clinic.auditor, f"?until={until}&limit=2{cursor and f'&cursor={cursor}'}").json
        paged += [each["id"] for each in page["data"]]
        cursor = page["page"]["next"]

    assert len(whole) > 3
    assert paged == whole


def test_files_have_all_records_and_no_formulas(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = records(clinic.auditor, "?limit=1")[0]["at"].replace("+", "%2B")
    ids = [each["id"] for each in records(clinic.auditor, f"?until={until}&limit=200")]
    monkeypatch.setattr("trially.auditing.entries.CHUNK", 2)

    rows = list(csv.DictReader(io.StringIO(read(clinic.auditor, f"?until={until}", CSV).text)))
    lines = read(clinic.auditor, f"?until={until}", NDJSON).text.splitlines()

    assert [row["id"] for row in rows] == [json.loads(line)["id"] for line in lines] == ids
    assert "'=Vic Viewer" in {row["member"] for row in rows}
    assert records(clinic.auditor, "?limit=1")[0]["action"] == "export"


def test_a_file_that_is_cut_names_the_rest(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    until = records(clinic.auditor, "?limit=1")[0]["at"].replace("+", "%2B")
    ids = [each["id"] for each in records(clinic.auditor, f"?until={until}&limit=200")]
    monkeypatch.setattr("trially.auditing.files.MOST_ROWS", len(ids) - 1)

    first = read(clinic.auditor, f"?until={until}", NDJSON)
    rest = first.headers["Link"].removeprefix("<").partition(">")[0]
    second = clinic.auditor.get(rest, headers={"Accept": NDJSON})

    lines = first.text.splitlines() + second.text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids
    assert "Link" not in second.headers


def test_fhir_audit_events(clinic: Clinic) -> None:
    answer = read(clinic.auditor, f"?patient_id={clinic.patient['id']}&limit=2", FHIR)
    bundle = answer.json

    assert answer.content_type == FHIR
    assert [link["relation"] for link in bundle["link"]] == ["self", "next"]
    assert "Accept" in answer.headers["Vary"]
    for event in (entry["resource"] for entry in bundle["entry"]):
        # The elements that R4 requires, and their value sets.
        assert event["resourceType"] == "AuditEvent"
        assert event["action"] in "CRUDE"
        assert event["outcome"] in {"0", "4", "8", "12"}
        assert {"type", "recorded", "source"} <= event.keys()
        assert sum(agent["requestor"] for agent in event["agent"]) == 1
        whom = [each["what"]["reference"] for each in event["entity"] if "what" in each]
        assert f"Patient/{clinic.patient['id']}" in whom


def test_reading_is_recorded_as_a_disclosure(clinic: Clinic) -> None:
    clinic.owner.get(f"/audit?patient_id={clinic.patient['id']}")
    newest = records(clinic.auditor, "?limit=1")[0]

    assert newest["route"] == "GET /api/v1/audit"
    assert newest["member"]["name"] == "Olga Owner"
    assert newest["purpose"] == "HCOMPL"
    assert newest["details"] == {"criteria": ["patient_id"]}
    assert clinic.patient["id"] in newest["patients"]


def test_an_erased_patient_is_a_pseudonym(clinic: Clinic, make_patient: MakePatient) -> None:
    gone = make_patient(clinic.owner)
    clinic.owner.delete(f"/patients/{gone['id']}")

    shown = read(clinic.owner, "?limit=200")
    created = next(each for each in shown.json["data"] if each["action"] == "create")

    assert gone["id"] not in shown.text
    assert created["patients"] == []
    assert created["patient_count"] == 1
    [pseudonym] = created["erased_patients"]
    assert len(bytes.fromhex(pseudonym)) == 8
    assert [each["values"] for each in created["changes"] if each["table"] == "patient"] == [None]
    assert clinic.auditor.get(f"/patients/{gone['id']}/disclosures").status_code == 404


def test_only_members_with_the_permission_read_the_log(
    clinic: Clinic, as_member: AsMember, make_patient: MakePatient
) -> None:
    site = clinic.owner.post("/sites", json={"name": "Here"}).json["id"]
    restricted = as_member(clinic.owner.tenant, Role.OWNER, site_ids=[site])
    for member in (clinic.viewer, restricted):
        for path in ("/audit", clinic.report):
            assert member.get(path).status_code == 403
    assert clinic.auditor.get(f"/patients/{clinic.patient['id']}").status_code == 403


def test_a_tenant_never_reads_the_log_of_another(clinic: Clinic, neighbour: Clinic) -> None:
    theirs = records(neighbour.owner, "?limit=200")
    secrets = {neighbour.patient["id"], *(each["id"] for each in theirs)}

    for accept in ("application/json", CSV, NDJSON, FHIR):
        shown = read(clinic.owner, "?limit=200", accept).text
        assert not [each for each in secrets if each in shown]
    assert records(clinic.owner, f"?patient_id={neighbour.patient['id']}") == []
    assert clinic.owner.get(f"/audit/{theirs[0]['id']}").status_code == 404
    assert clinic.owner.get(neighbour.report).status_code == 404
    cursor = read(neighbour.owner, "?limit=1").json["page"]["next"]
    assert clinic.owner.get(f"/audit?limit=1&cursor={cursor}").status_code == 400
