"""Custom values in tables: columns that hold them, bad cells, and what people typed before."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from custom_definitions import define_all, listed
from members import AsMember, Member

from trially.tenancy.catalog import Tenant

HEADER = "mrn,last name,Spitzname,custom.cohort,Punkte,custom.consented,custom.screened_on\n"
GOOD = 'M-1,Lind,Zqnick,A,"12,5",ja,02.03.2026\n'
MAPPING = {
    "columns": {"custom.nickname": "Spitzname", "custom.score": "Punkte"},
    "dates": "DD.MM.YYYY",
    "decimal": ",",
    "values": {"custom.cohort": {"erste": "A"}},
}
READ = {
    "nickname": "Zqnick",
    "cohort": "A",
    "score": 12.5,
    "consented": True,
    "screened_on": "2026-03-02",
}


@pytest.fixture
def member(as_member: AsMember, tenant: Tenant) -> Member:
    found = as_member(tenant)
    define_all(found)
    return found


def upload(member: Member, table: str, mapping: Any = MAPPING, path: str = "/imports") -> Any:
    parameters = {"source": "ehr", "kind": "patients", "mapping": json.dumps(mapping)}
    return member.post(
        f"{path}?{urlencode(parameters)}", data=table.encode(), content_type="text/csv"
    )


def custom_of(member: Member) -> dict[str, Any]:
    """Return the custom values of the patients of the source, by family name."""
    patients = member.get("/patients?source=ehr").json["data"]
    return {patient["family_name"]: patient["custom"] for patient in patients}


def test_columns_hold_values_by_header_or_mapping(member: Member) -> None:
    imported = upload(member, HEADER + GOOD + "M-2,Berg,,erste,,,\n")

    assert (imported.status_code, imported.json["error_count"]) == (201, 0), imported.text
    assert custom_of(member) == {"Lind": READ, "Berg": {"cohort": "A"}}
    assert len(listed(member, "custom.score=12.5")) == 1
    assert len(listed(member, "custom.cohort=A")) == 2
    fields = member.get("/custom-fields").json["data"]
    assert all(field["is_used"] for field in fields)


def test_a_bad_cell_is_a_fault_and_nothing_else_is_lost(member: Member) -> None:
    bad = "M-1,Lind,Zqnick,C,viel,vielleicht,2026\n"

    imported = upload(member, HEADER + bad).json
    faults = member.get(f"/imports/{imported['id']}/errors").json["data"]

    assert custom_of(member) == {"Lind": {"nickname": "Zqnick"}}
    assert {(fault["line"], fault["pointer"]) for fault in faults} == {
        (2, f"/custom.{name}") for name in ("cohort", "score", "consented", "screened_on")
    }
    assert not any("viel" in fault["reason"] for fault in faults)


def test_what_people_typed_outlives_a_table_without_the_column(member: Member) -> None:
    upload(member, HEADER + GOOD)
    [patient] = member.get("/patients?source=ehr").json["data"]
    typed = {"custom": {"nickname": "Typed"}}
    assert member.patch(f"/patients/{patient['id']}", json=typed).status_code == 200

    for table in ("mrn,last name\nM-1,Lindqvist\n", HEADER + "M-1,Lindqvist,,B,,,\n"):
        assert upload(member, table, {}).status_code == 201
    mapped = upload(member, HEADER + "M-1,Lindqvist,,B,,,\n")

    assert mapped.status_code == 201
    assert custom_of(member) == {"Lindqvist": READ | {"nickname": "Typed", "cohort": "B"}}


def test_the_same_table_changes_nothing(member: Member) -> None:
    upload(member, HEADER + GOOD)
    before = member.get("/patients?source=ehr").json["data"]

    again = upload(member, HEADER + GOOD + "M-2,Berg,,,,,\n").json

    assert again["counts"]["Patient"].get("changed", 0) == 0
    after = member.get("/patients?source=ehr").json["data"]
    assert after[0] == before[0]


@pytest.mark.parametrize("name", ["unknown", "cohort"])
def test_a_column_of_no_field_or_of_an_archived_one_is_refused(member: Member, name: str) -> None:
    fields = {each["name"]: each for each in member.get("/custom-fields").json["data"]}
    if name in fields:
        member.patch(f"/custom-fields/{fields[name]['id']}", json={"is_archived": True})

    refused = upload(
        member, "mrn,last name,extra\nM-1,Lind,A\n", {"columns": {f"custom.{name}": "extra"}}
    )

    assert refused.status_code == 422
    assert f"custom.{name} cannot be imported" in refused.json["detail"]
    assert custom_of(member) == {}


def test_a_dry_run_stores_nothing(member: Member) -> None:
    tried = upload(member, HEADER + GOOD, path="/imports/dry-run")

    assert tried.status_code == 200, tried.text
    assert custom_of(member) == {}
    assert not any(field["is_used"] for field in member.get("/custom-fields").json["data"])


def test_records_of_fhir_cannot_name_custom_values(member: Member) -> None:
    patient = {"resourceType": "Patient", "id": "p", "custom_values": {"nickname": "X"}}
    imported = member.post(
        "/imports?source=ehr",
        data=json.dumps({**patient, "name": [{"family": "Fhir"}], "custom": {"nickname": "X"}}),
        content_type="application/ndjson",
    )

    assert imported.status_code == 201
    assert custom_of(member) == {"Fhir": {}}
