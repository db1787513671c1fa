"""`/imports` over HTTP."""

import gzip
from typing import Any

import orjson
import pytest

from tests.conftest import AsMember, Member
from tests.recruiting.imports.fhir_examples import make_patient
from tests.recruiting.imports.importing import BUNDLE, NDJSON, Importer, upload, write_ndjson
from trially.auth.roles import Role
from trially.recruiting.imports.import_run import ImportTakenOverError
from trially.recruiting.imports.run_counts import COUNTED
from trially.recruiting.imports.uploads import routes


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/fhir+json", BUNDLE),
        ("application/json", BUNDLE),
        ("application/fhir+ndjson", NDJSON),
        ("application/x-ndjson", NDJSON),
        ("application/gzip", gzip.compress(NDJSON)),
        ("application/octet-stream", gzip.compress(BUNDLE)),
        ("application/fhir+json; charset=utf-8", BUNDLE),
    ],
)
def test_an_upload_is_imported(member: Member, kind: str, body: bytes) -> None:
    response = upload(member, body, kind)

    job = response.get_json()
    assert response.status_code == 201
    job_id = job["id"]
    for name in ("id", "created_at", "updated_at", "ended_at"):
        assert job.pop(name)
    assert job == {
        "source": "fhir",
        "state": "done",
        "strict": False,
        "counts": {
            kind: dict.fromkeys(COUNTED, 0) | {"read": 1, "new": 1}
            for kind in ("Patient", "Observation")
        },
        "passed_over": {},
        "error_count": 0,
        "refused_count": 0,
        "error_counts": {},
        "error_groups": {},
        "failure": None,
        "completeness": None,
        "missing": {},
        "started_by": member.subject,
        "etag": member.get(f"/imports/{job_id}").headers["ETag"],
        "masked_fields": [],
    }


def test_a_content_encoding_is_what_the_bytes_are(member: Member) -> None:
    response = member.post(
        "/imports?source=fhir",
        data=gzip.compress(BUNDLE),
        content_type="application/fhir+json",
        headers={"Content-Encoding": "gzip"},
    )

    assert response.get_json()["counts"]["Patient"]["new"] == 1


def test_strict_answers_with_the_failed_import(member: Member) -> None:
    response = upload(
        member, write_ndjson(make_patient(1), b"{"), query="?strict=true&source=north"
    )

    assert (response.status_code, response.json["code"]) == (422, "import_failed")
    job = member.get(response.headers["Location"]).json
    assert (job["state"], job["source"]) == ("failed", "north")
    assert response.json["detail"] == job["failure"]
    assert job["failure"] == "upload, line 2: The content is not valid JSON."
    assert member.get("/patients").get_json()["data"] == []


def test_imports_and_their_errors_are_listed_a_page_at_a_time(member: Member) -> None:
    first = upload(member, NDJSON).get_json()
    second = upload(member, write_ndjson(make_patient(2), *[b"{"] * 3)).get_json()

    listed = member.get("/imports").get_json()["data"]
    done = member.get("/imports?state=failed").get_json()["data"]
    page = member.get(f"/imports/{second['id']}/errors?limit=2").get_json()
    rest = member.get(f"/imports/{second['id']}/errors?limit=2&cursor={page['page']['next']}")

    assert listed == [second, first]
    assert done == []
    assert member.get(f"/imports/{first['id']}").get_json() == first
    assert [error["line"] for error in page["data"]] == [2, 3]
    errors = rest.get_json()["data"]
    assert errors[0].pop("id")
    assert errors == [
        {
            "code": "invalid_json",
            "concerns": "record",
            "resource_type": None,
            "resource_id": None,
            "missing_id": None,
            "other_id": None,
            "pointer": None,
            "file": "upload",
            "line": 4,
            "reason": "The content is not valid JSON.",
            "masked_fields": [],
        }
    ]


def test_imports_of_another_tenant_are_not_there(
    member: Member, make_tenant: Any, as_member: AsMember
) -> None:
    job = upload(member, NDJSON).get_json()
    other = as_member(make_tenant())

    assert other.get(f"/imports/{job['id']}").status_code == 404
    assert other.get(f"/imports/{job['id']}/errors").status_code == 404


def test_a_viewer_may_not_import(importer: Importer, as_member: AsMember) -> None:
    viewer = as_member(importer.tenant, Role.VIEWER)

    assert upload(viewer, NDJSON).status_code == 403
    assert importer.query("SELECT 1 FROM import_job") == []


def test_an_import_cannot_change_patients_entered_by_hand(member: Member) -> None:
    name = {"given_name": "Ada", "family_name": "Example"}
    body = {"mrn": "M", "birth_date": "1960-05-17", "sex": "female", **name}
    patient = member.post("/patients", json=body).json
    line = {"resourceType": "Patient", "id": patient["id"], "name": [{"family": "Changed"}]}

    answer = upload(member, orjson.dumps(line), query="?source=manual")

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json["errors"]] == ["/source"]
    assert member.get(f"/patients/{patient['id']}").json == patient


def test_an_import_that_another_process_continues_is_a_conflict(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_taken_over(*_arguments: Any, **_options: Any) -> None:
        raise ImportTakenOverError("This import was started again.")

    monkeypatch.setattr(routes, "import_upload", be_taken_over)

    response = upload(member, NDJSON)

    assert response.status_code == 409
    assert response.get_json()["detail"] == "This import was started again."


def test_what_an_import_stores_can_be_sent_back(member: Member) -> None:
    """A client may send what it read: stored texts are never longer than the API's fields allow."""
    long = "x" * 5_000
    patient = make_patient(
        1,
        name=[{"family": long, "given": [long]}],
        telecom=[{"system": "phone", "value": long}, {"system": "email", "value": f"a@{long}.org"}],
        address=[
            {"line": [long], "city": long, "state": long, "postalCode": long, "country": long}
        ],
        communication=[{"language": {"text": long}, "preferred": True}],
    )
    imported = upload(member, orjson.dumps(patient), "application/fhir+ndjson")
    assert imported.json["counts"]["Patient"]["new"] == 1, imported.json

    [read] = member.get("/patients").json["data"]
    editable = ("given_name", "family_name", "language", "phone", "email", "address")
    written = member.patch(
        f"/patients/{read['id']}",
        json={name: read[name] for name in editable},
        headers={"If-Match": member.get(f"/patients/{read['id']}").headers["ETag"]},
    )

    assert written.status_code == 200, written.json
    assert {name: written.json[name] for name in editable} == {n: read[n] for n in editable}
    assert len(read["address"]["line"]) == 1000
