"""Commands and imports are recorded, by whom they were run and whom they concern."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant, Member
from tenant_records import Found, Log

NDJSON = "application/ndjson"
PATIENTS = [
    {"resourceType": "Patient", "id": number, "name": [{"family": f"Family-{number}"}]}
    for number in ("1", "2", "3")
]
FACTS = [
    {
        "resourceType": "Condition",
        "id": f"c{number}",
        "subject": {"reference": f"Patient/{number}"},
        "code": {"text": "Asthma"},
    }
    for number in ("1", "2", "9")
]


@pytest.fixture(scope="module")
def member(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    return as_member(make_tenant())


@pytest.fixture
def run(run_command: Callable[..., Any], member: Member) -> Callable[..., Any]:
    """Run a command on the tenant of `member`."""

    def run_on_tenant(*words: str | Path, then: tuple[str | Path, ...] = ()) -> Any:
        result = run_command(*words, member.tenant.slug, *then)
        assert result.exit_code == 0, result.output
        return result

    return run_on_tenant


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "records.ndjson"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in (*PATIENTS, *FACTS)))
    return path


def ids_of(member: Member, source: str) -> dict[str, str]:
    listed = member.get(f"/patients?source={source}").json["data"]
    return {patient["family_name"]: patient["id"] for patient in listed}


def counts_of(records: list[Found]) -> dict[str, dict[str, int]]:
    return {
        kind: each for record in records for kind, each in record.details.get("counts", {}).items()
    }


def test_an_import_by_command_names_its_patients(
    app: Flask, member: Member, run: Callable[..., Any], file: Path
) -> None:
    log = Log(app, member.tenant)
    result = run("imports", "fhir", then=(file, "--source", "first", "--json"))
    records = log.new()

    job = json.loads(result.stdout)
    ids = ids_of(member, "first")
    assert counts_of(records)["Patient"] == {"new": 3}
    assert counts_of(records)["Condition"] == {"new": 2}
    written = [record for record in records if record.changed & {"patient", "clinical_fact"}]
    assert {number for each in written for number in each.subjects} == log.numbers(ids.values())
    for record in written:
        assert record.details["import_id"] == job["id"]
        assert record.details["source"] == "first"
    for record in records:
        assert record.action == "import"
        assert record.route.endswith("imports fhir")
        assert "@" in (record.operator or "")
        assert "Family" not in json.dumps(record.details)
    assert any(record.details.get("waiting") == 1 for record in records)
    log.new()

    run("imports", "fhir", then=(file, "--source", "first", "--json"))
    assert {number for each in log.new() for number in each.subjects} == set()


def test_an_import_by_request_names_only_the_patients_that_it_writes(
    app: Flask, member: Member
) -> None:
    def upload(*lines: dict[str, Any]) -> None:
        data = "\n".join(json.dumps(line) for line in lines)
        answer = member.post("/imports?source=second", data=data, content_type=NDJSON)
        assert answer.status_code == 201, answer.text

    upload(*PATIENTS)
    log, ids = Log(app, member.tenant), ids_of(member, "second")
    log.new()

    upload({**PATIENTS[0], "gender": "male"}, PATIENTS[1], FACTS[1])

    records = log.new()
    expected = log.numbers([ids["Family-1"], ids["Family-2"]])
    assert {number for each in records for number in each.subjects} == expected
    assert counts_of(records)["Patient"] == {"changed": 1}
    assert {each.action for each in records} == {"import"}
    assert len({each.request_id for each in records}) == 1


def test_a_dry_run_leaves_one_record_and_changes_nothing(
    app: Flask, member: Member, run: Callable[..., Any], file: Path
) -> None:
    log = Log(app, member.tenant)
    run("imports", "fhir", then=(file, "--source", "third", "--dry-run"))

    [record] = log.new()
    assert record.details == {"dry_run": True, "source": "third"}
    assert ids_of(member, "third") == {}


def test_listed_duplicates_are_a_disclosure_of_both(
    app: Flask, member: Member, make_patient: MakePatient, run: Callable[..., Any]
) -> None:
    pair = [make_patient(member, family_name="Twin", phone="0170")["id"] for _ in range(2)]
    log = Log(app, member.tenant)

    result = run("patients", "duplicates", then=("--json",))

    shown = {each[name] for each in json.loads(result.stdout) for name in NAMES_OF_PAIR}
    assert shown >= set(pair)
    [record] = log.new()
    assert record.subjects == log.numbers(shown)


NAMES_OF_PAIR = ("patient_id", "other_patient_id")


@pytest.mark.parametrize(
    ("words", "then"),
    [
        (("imports", "waiting"), ()),
        (("imports", "forget"), ("first", "--yes")),
        (("patients", "index"), ()),
    ],
    ids=str,
)
def test_other_commands_leave_a_record(
    app: Flask, member: Member, run: Callable[..., Any], words: Any, then: Any, file: Path
) -> None:
    run("imports", "fhir", then=(file, "--source", "first"))
    log = Log(app, member.tenant)

    run(*words, then=then)

    [record] = log.new()
    assert record.route.endswith(" ".join(words))
    assert record.operator is not None


def test_changes_of_members_have_old_and_new_values(
    app: Flask, member: Member, run: Callable[..., Any]
) -> None:
    site_id = member.post("/sites", json={"name": "Audited"}).json["id"]
    log = Log(app, member.tenant)

    run("tenants", "members", "add", then=("--subject", "ann", "--role", "viewer"))
    new = ("--role", "coordinator", "--site", site_id)
    run("tenants", "members", "change", then=("--subject", "ann", *new))
    run("tenants", "members", "remove", then=("--subject", "ann", "--yes"))

    added, changed, removed = log.new()
    assert _values(added)["role"] == [None, "viewer"]
    assert _values(changed)["role"] == ["viewer", "coordinator"]
    assert _values(changed)["site_id"] == [[], [site_id]]
    assert removed.changed >= {"member"}
    assert {each.operator for each in (added, changed, removed)} == {added.operator}
    assert added.purpose == "HSYSADMIN"


def _values(record: Found) -> dict[str, Any]:
    return {
        name: both
        for change in record.details["changes"]
        for name, both in change["values"].items()
    }
