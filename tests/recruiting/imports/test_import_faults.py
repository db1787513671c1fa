"""Faults say which record of which resource is concerned, and what is missing; they are grouped."""

import json
from typing import Any

import pytest

from tests.conftest import ROOT, AsMember, Member
from tests.recruiting.imports.fhir_examples import make_observation, make_patient
from tests.recruiting.imports.importing import Importer, upload, write_ndjson
from tests.recruiting.imports.reading.files import bundle
from trially.auth.roles import PhiLevel, Role
from trially.recruiting.imports.faults import FaultCode, counts
from trially.recruiting.imports.limits import ImportLimits

SUBJECT = {"reference": "Patient/p1"}
LONG_ID = "L" * 65


def fault_of(member: Member, *resources: Any) -> dict[str, Any]:
    """Import resources, and return the only error."""
    answer = upload(member, write_ndjson(make_patient(1), *resources))
    (error,) = member.get(f"/imports/{answer.json['id']}/errors").json["data"]
    return dict(error)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (
            make_observation(1, 1, id=LONG_ID),
            ("invalid_id", "Observation", None, "/id"),
        ),
        ({"resourceType": "Patient", "id": 5}, ("invalid_id", "Patient", None, "/id")),
        ({"resourceType": "Patient"}, ("invalid_id", "Patient", None, "/id")),
        ({"id": "x"}, ("invalid_resource_type", None, "x", "/resourceType")),
        ({"resourceType": "Jane Doe"}, ("invalid_resource_type", None, None, "/resourceType")),
        (
            make_observation(1, 1, subject={"reference": "p1", "type": "Patient"}),
            ("invalid_reference", "Observation", "o1", "/subject"),
        ),
        (
            make_observation(1, 1, subject={"reference": f"Patient/{LONG_ID}"}),
            ("invalid_reference", "Observation", "o1", "/subject"),
        ),
        (b"{", ("invalid_json", None, None, None)),
        (b'{"a": 1, "a": 2}', ("duplicate_member", None, None, None)),
        (b'{"a": "\xff"}', ("invalid_encoding", None, None, None)),
    ],
)
def test_a_fault_names_its_record(member: Member, resource: Any, expected: Any) -> None:
    error = fault_of(member, resource)

    assert (
        error["code"],
        error["resource_type"],
        error["resource_id"],
        error["pointer"],
    ) == expected
    assert (error["file"], error["line"], error["concerns"]) == ("upload", 2, "record")


def test_errors_are_filtered_and_grouped(member: Member) -> None:
    body = write_ndjson(
        make_patient(1),
        *(make_observation(number, 9) for number in range(7)),
        {
            "resourceType": "Condition",
            "id": "c1",
            "subject": {"reference": "Patient/p8"},
            "code": {},
        },
        {"resourceType": "Patient", "id": "p 1"},
        {"resourceType": "Observation", "id": "o 1", "subject": SUBJECT},
    )

    job = upload(member, body).json

    url = f"/imports/{job['id']}/errors"
    assert job["error_groups"]["patient_missing"] == {"Condition": 1, "Observation": 7}
    assert job["error_groups"]["invalid_id"] == {"Patient": 1, "Observation": 1}
    assert len(member.get(f"{url}?code=patient_missing").json["data"]) == 8
    assert len(member.get(f"{url}?type=Observation").json["data"]) == 8
    (one,) = member.get(f"{url}?type=Observation&code=invalid_id").json["data"]
    assert one["line"] == 11
    assert member.get(f"{url}?code=nonsense").status_code == 400
    groups = member.get(f"{url}/groups").json["groups"]
    assert sum(group["count"] for group in groups) == job["error_count"]
    first = groups[0]
    assert (first["code"], first["resource_type"], first["count"]) == (
        "patient_missing",
        "Observation",
        7,
    )
    assert [each["missing_id"] for each in first["examples"]] == ["Patient/p9"] * 3


def test_many_equal_faults_are_cheap_and_hide_no_other_kind(importer: Importer) -> None:
    limits = ImportLimits(most_stored_faults=20)
    facts = [make_observation(number, 9) for number in range(2_500)]
    bad = {"resourceType": "Patient", "id": "p 1"}

    job = importer(*facts, make_patient(1), b"{", b"{", bad, limits=limits)

    assert job["error_count"] == 2_503
    assert job["error_groups"] == {
        "patient_missing": {"Observation": 2_500},
        "invalid_json": {"(none)": 2},
        "invalid_id": {"Patient": 1},
    }
    stored = dict(importer.query("SELECT code, count(*) FROM import_fault GROUP BY code"))
    assert stored == {"patient_missing": 17, "invalid_json": 2, "invalid_id": 1}


def test_an_import_with_many_faults_still_stores_the_first_of_a_late_kind(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "EXAMPLES_OF_GROUP", 2)

    importer(
        make_patient(1),
        *[b"{"] * 10,
        *[{"resourceType": "Patient", "id": " "}] * 10,
        limits=ImportLimits(most_stored_faults=5),
    )

    stored = dict(importer.query("SELECT code, count(*) FROM import_fault GROUP BY code"))
    assert stored == {"invalid_json": 5, "invalid_id": 2}


def test_faults_show_no_ids_to_members_who_may_not_see_them(
    importer: Importer, member: Member, as_member: AsMember
) -> None:
    job = upload(member, write_ndjson(make_observation(1, 9))).json
    limited = as_member(importer.tenant, Role.VIEWER, phi_level=PhiLevel.NONE)

    (error,) = limited.get(f"/imports/{job['id']}/errors").json["data"]
    (group,) = limited.get(f"/imports/{job['id']}/errors/groups").json["groups"]

    assert (error["code"], error["resource_id"], error["missing_id"], error["file"]) == (
        "patient_missing",
        None,
        None,
        None,
    )
    (example,) = group["examples"]
    assert (example["resource_id"], example["missing_id"]) == (None, None)


def test_the_groups_of_another_tenants_import_are_not_there(
    member: Member, as_member: AsMember, make_tenant: Any
) -> None:
    job = upload(member, write_ndjson(make_observation(1, 9))).json

    other = as_member(make_tenant())
    assert other.get(f"/imports/{job['id']}/errors/groups").status_code == 404


@pytest.mark.parametrize(
    ("lines", "query", "status"),
    [
        ([b"{", b"{"], "", 422),
        ([b"{", make_patient(1)], "", 201),
        ([make_patient(1), b"{"], "?strict=true", 422),
        ([bundle({"resource": make_patient(1)}, link=[{"relation": "next", "url": "a"}])],
         "?strict=true", 422),
        ([make_observation(1, 9)], "?strict=true", 422),
        ([make_observation(1, 9)], "", 201),
        ([{"resourceType": "Practitioner"}], "", 201),
        ([bundle()], "", 422),
    ],
)  # fmt: skip
def test_when_an_import_fails(member: Member, lines: Any, query: str, status: int) -> None:
    answer = upload(member, write_ndjson(*lines), query=query)

    assert answer.status_code == status
    if status == 422:
        assert answer.json["code"] == "import_failed"
        job = member.get(answer.headers["Location"]).json
        assert (job["id"], job["state"]) == (answer.json["import_id"], "failed")
        assert job["failure"] == answer.json["detail"]
        assert job["error_count"] >= 1


def test_every_code_is_documented() -> None:
    page = (ROOT / "docs/imports.md").read_text()

    assert [code for code in FaultCode if f"`{code}`" not in page] == []


@pytest.mark.parametrize("content", [b"", b"\n", b'{"resourceType": "Patient"}\n', b"<a/>"])
def test_the_command_ends_with_1_if_nothing_was_imported(
    importer: Importer, run_command: Any, tmp_path: Any, content: bytes
) -> None:
    (tmp_path / "a.ndjson").write_bytes(content)

    result = run_command(
        "imports", "fhir", importer.tenant.slug, tmp_path, "--json", "--source", "fhir"
    )

    assert result.exit_code == 1
    assert json.loads(result.stdout)["state"] == "failed"
    assert "The import failed: " in result.stderr
