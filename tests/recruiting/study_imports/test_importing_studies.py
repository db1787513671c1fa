"""Imports of studies: what they create, change, keep and refuse, in each tier."""

import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member

from tests.recruiting.study_imports.registry_bodies import (
    ABSENT,
    REAL_STUDIES,
    body,
    eligibility,
    real_studies,
)
from trially.auth.roles import Role
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.data_keys import UnknownKeyError

RECRUITING = {"overallStatus": "RECRUITING"}
COMPLETED = {"overallStatus": "COMPLETED"}


def post(member: Member, *studies: Any, dry_run: bool = False) -> Any:
    lines = b"".join(orjson.dumps(each) + b"\n" for each in studies)
    query = "?dry_run=true" if dry_run else ""
    path = f"/studies/import{query}"
    return member.post(path, data=lines, content_type="application/x-ndjson")


def only(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    [study] = answer.json["studies"]
    return dict(study)


def studies_of(member: Member) -> list[dict[str, Any]]:
    return list(member.get("/studies?limit=200").json["data"])


@pytest.fixture
def pair(make_tenant: MakeTenant, as_member: AsMember, tier: Tier) -> tuple[Member, Member]:
    """Members of two tenants of one tier."""
    return as_member(make_tenant(tier)), as_member(make_tenant(tier))


@pytest.mark.skipif(not REAL_STUDIES.exists(), reason=ABSENT)
def test_all_real_studies_are_imported_in_each_tier_and_into_one_tenant(
    pair: tuple[Member, Member],
) -> None:
    member, neighbour = pair
    post(neighbour, body("NCT04616482"))

    tried = post(member, *real_studies(), dry_run=True).json
    assert studies_of(member) == []
    first = post(member, *real_studies()).json
    again = post(member, *real_studies()).json

    assert tried["counts"] == {"new": 180, "changed": 0, "unchanged": 0, "refused": 0}
    assert first["counts"] == tried["counts"]
    assert again["counts"] == {"new": 0, "changed": 0, "unchanged": 180, "refused": 0}
    ids = {each["nct_id"]: each["study_id"] for each in first["studies"]}
    assert {each["nct_id"]: each["id"] for each in studies_of(member)} == ids
    [shared] = [each for each in first["studies"] if each["warnings"]]
    assert "CT-101-002" in shared["warnings"][0]["detail"]
    assert [each["title"] for each in studies_of(neighbour)] == ["NCT04616482"]
    for nct_id, text in (("NCT04616482", "BMI >25 kg/m2"),):
        [document] = member.get(f"/studies/{ids[nct_id]}/documents").json["data"]
        shown = member.get(f"/studies/{ids[nct_id]}/documents/{document['id']}").json
        assert text in shown["pages"][0]["text"]
        assert document["kind"] == "eligibility"


def test_a_study_of_two_tenants_is_two_studies(pair: tuple[Member, Member]) -> None:
    one, other = pair
    same = eligibility(eligibilityCriteria="Same text")

    mine, theirs = only(post(one, same)), only(post(other, same))
    post(other, {**body(statusModule=COMPLETED)})

    assert mine["study_id"] != theirs["study_id"]
    for path in ("", "/registry", "/documents", "/versions", "/sites", "/team"):
        assert one.get(f"/studies/{theirs['study_id']}{path}").status_code == 404
    assert [each["status"] for each in studies_of(one)] == ["unknown"]
    [document] = other.get(f"/studies/{theirs['study_id']}/documents").json["data"]
    stolen = one.get(f"/studies/{mine['study_id']}/documents/{document['id']}")
    assert stolen.status_code == 404


def test_a_dry_run_shows_each_difference_and_changes_nothing(member: Member) -> None:
    post(member, body(statusModule=RECRUITING))
    [before] = studies_of(member)
    changed = body(statusModule=COMPLETED, eligibilityModule={"eligibilityCriteria": "New"})

    tried = only(post(member, changed, dry_run=True))

    assert (tried["result"], tried["study_id"]) == ("changed", before["id"])
    assert tried["differences"] == [
        {"field": "status", "stored": "recruiting", "registry": "completed", "action": "replaced"}
    ]
    assert tried["eligibility_changed"]
    assert studies_of(member) == [before]
    assert member.get(f"/studies/{before['id']}/documents").json["data"] == []

    done = only(post(member, changed))
    assert {**done, "warnings": []} == tried
    [after] = studies_of(member)
    assert (after["status"], after["etag"]) == ("completed", '"2"')
    assert only(post(member, changed))["result"] == "unchanged"
    assert studies_of(member) == [after]


def test_what_was_changed_here_stays_until_the_registry_changes_it(member: Member) -> None:
    titled = {"identificationModule": {"briefTitle": "Registry"}}
    study_id = only(post(member, body(**titled, statusModule=RECRUITING)))["study_id"]
    member.patch(f"/studies/{study_id}", json={"title": "Ours", "target_enrollment": 5})

    kept = only(post(member, body(**titled, statusModule=COMPLETED)))
    study = member.get(f"/studies/{study_id}").json
    assert {each["field"]: each["action"] for each in kept["differences"]} == {
        "title": "kept",
        "status": "replaced",
        "target_enrollment": "kept",
    }
    assert (study["title"], study["status"], study["target_enrollment"]) == ("Ours", "completed", 5)
    unchanged = only(post(member, body(**titled, statusModule=COMPLETED)))
    assert unchanged["result"] == "unchanged"

    titled["identificationModule"]["briefTitle"] = "Registry, amended"
    replaced = only(post(member, body(**titled, statusModule=COMPLETED)))
    assert [each["action"] for each in replaced["differences"]] == ["replaced", "kept"]
    assert member.get(f"/studies/{study_id}").json["title"] == "Registry, amended"


def test_a_study_that_a_member_has_created_becomes_the_registrys(member: Member) -> None:
    created = {"protocol_number": "P-1", "title": "Ours", "nct_id": "NCT00000001"}
    study_id = member.post("/studies", json=created).json["id"]
    assert member.get(f"/studies/{study_id}/registry").status_code == 404

    outcome = only(post(member, body(identificationModule={"orgStudyIdInfo": {"id": "X"}})))

    study = member.get(f"/studies/{study_id}").json
    assert (outcome["result"], outcome["study_id"]) == ("changed", study_id)
    assert (study["protocol_number"], study["source"]) == ("P-1", "ctgov")
    assert (study["title"], study["recruiting_status"]) == ("NCT00000001", "planned")


def test_protocol_numbers_are_the_sponsors_where_they_are_free(member: Member) -> None:
    numbered = {"identificationModule": {"orgStudyIdInfo": {"id": "GLY-302"}}}

    answer = post(member, body("NCT00000001", **numbered), body("NCT00000002", **numbered))

    assert [each["protocol_number"] for each in studies_of(member)] == ["GLY-302", "NCT00000002"]
    assert "GLY-302" in answer.json["studies"][1]["warnings"][0]["detail"]
    member.post("/studies", json={"protocol_number": "NCT00000003", "title": "X"})
    refused = post(member, body("NCT00000003"), body("NCT00000004")).json
    assert refused["counts"] == {"new": 1, "changed": 0, "unchanged": 0, "refused": 1}
    assert "Another study without an NCT id" in refused["studies"][0]["reason"]


def test_what_cannot_be_imported_is_refused_and_the_others_are_imported(member: Member) -> None:
    lines = b"\n".join(
        [orjson.dumps(body()), b"{broken", b"", b"[1]", orjson.dumps(body()), b'{"a": 1}']
    )
    answer = member.post("/studies/import", data=lines, content_type="application/x-ndjson").json

    assert answer["counts"] == {"new": 1, "changed": 0, "unchanged": 0, "refused": 4}
    assert [each["place"] for each in answer["studies"]] == [
        "line 1",
        "line 2",
        "line 4 /0",
        "line 5",
        "line 6",
    ]
    reasons = [each["reason"] or "" for each in answer["studies"]]
    assert reasons[3] == "NCT00000001 is in the input twice: see line 1."
    assert reasons[1].startswith("The line is no JSON")


@pytest.mark.parametrize(
    ("data", "places"),
    [
        (orjson.dumps(body()), [""]),
        (orjson.dumps([body(), body("NCT00000002")]), ["/0", "/1"]),
        (orjson.dumps({"studies": [body()], "nextPageToken": "x"}), ["/studies/0"]),
        (json.dumps({"studies": [body()]}, indent=1).encode(), ["/studies/0"]),
        (b"\n\n" + orjson.dumps(body()) + b"\n\n", [""]),
    ],
)
def test_studies_are_found_in_each_kind_of_json(
    member: Member, data: bytes, places: list[str]
) -> None:
    answer = member.post("/studies/import", data=data, content_type="application/json")

    assert answer.status_code == 200, answer.text
    assert [each["place"] for each in answer.json["studies"]] == places


@pytest.mark.parametrize(
    ("data", "status", "detail"),
    [
        (b"", 400, "The body is empty."),
        (b"  \n ", 422, "No study of the body can be imported."),
        (b"no JSON", 422, "No study of the body can be imported."),
        (b"[]", 422, "No study of the body can be imported."),
        (b'{"protocolSection": {}}', 422, "No study of the body can be imported."),
        (gzip.compress(orjson.dumps(body())), 422, "No study of the body can be imported."),
    ],
    ids=["empty", "blank", "no JSON", "empty array", "no id", "compressed"],
)
def test_a_body_without_a_study_is_refused(
    shared_member: Member, data: bytes, status: int, detail: str
) -> None:
    answer = shared_member.post("/studies/import", data=data, content_type="application/json")
    assert (answer.status_code, answer.json["detail"]) == (status, detail)


def test_a_request_has_a_bounded_number_of_studies(member: Member) -> None:
    answer = post(member, *(body(f"NCT{number:08}") for number in range(251)))

    assert answer.status_code == 422
    assert "at most 250 studies" in answer.json["detail"]
    assert studies_of(member) == []


def test_a_form_is_not_a_study(shared_member: Member) -> None:
    answer = shared_member.post("/studies/import", data={"file": "x"})
    assert answer.status_code == 415


def test_the_registrys_record_is_shown_with_its_locations(member: Member) -> None:
    locations = [{"facility": "A", "city": "Omaha", "contacts": [{"name": "Zoe"}]}]
    study = body(contactsLocationsModule={"locations": locations}) | {"resultsSection": {"x": 1}}
    study_id = only(post(member, study))["study_id"]

    record = member.get(f"/studies/{study_id}/registry").json

    assert [each["city"] for each in record["locations"]] == ["Omaha"]
    assert record["left_out"] == [
        "/protocolSection/contactsLocationsModule/locations/0/contacts",
        "/resultsSection",
    ]
    assert record["body"]["protocolSection"]["identificationModule"] == {"nctId": "NCT00000001"}
    assert "Zoe" not in json.dumps(record)


def test_a_changed_eligibility_text_is_another_document(member: Member) -> None:
    study_id = only(post(member, eligibility(eligibilityCriteria="First \\> 1")))["study_id"]
    for text in ("First \\> 1", "Second", "First \\> 1"):
        post(member, eligibility(eligibilityCriteria=text))

    documents = member.get(f"/studies/{study_id}/documents").json["data"]
    texts = [
        member.get(f"/studies/{study_id}/documents/{each['id']}").json["pages"][0]["text"]
        for each in documents
    ]
    assert texts == ["First > 1", "Second"]


def test_a_tenant_without_a_data_key_loses_no_study(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_key(*_: Any, **__: Any) -> None:
        raise UnknownKeyError(member.tenant.id)

    store = "trially.recruiting.study_imports.importing.store_text"
    with monkeypatch.context() as patched:
        patched.setattr(store, no_key)
        outcome = only(post(member, eligibility(eligibilityCriteria="Text")))
    study_id = outcome["study_id"]

    assert outcome["result"] == "new"
    assert "has no data key" in outcome["warnings"][0]["detail"]
    assert member.get(f"/studies/{study_id}/documents").json["data"] == []
    assert only(post(member, eligibility(eligibilityCriteria="Text")))["result"] == "changed"
    assert len(member.get(f"/studies/{study_id}/documents").json["data"]) == 1


def test_a_viewer_may_not_import(member: Member, as_member: AsMember) -> None:
    viewer = as_member(member.tenant, Role.VIEWER)
    assert post(viewer, body()).status_code == 403


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A file of NDJSON and one of JSON with gzip."""
    lines, packed = tmp_path / "lines.ndjson", tmp_path / "packed.json.gz"
    lines.write_bytes(orjson.dumps(body()) + b"\nbroken\n" + orjson.dumps(body("NCT00000002")))
    packed.write_bytes(gzip.compress(orjson.dumps({"studies": [body("NCT00000003")]})))
    return lines, packed


def test_the_command_imports_files(
    app: Flask, member: Member, run_command: Any, files: tuple[Path, Path]
) -> None:
    slug, paths = member.tenant.slug, [str(each) for each in files]

    tried = run_command("studies", "import", slug, *paths, "--dry-run", "--json")
    assert json.loads(tried.stdout)["counts"]["new"] == 3
    assert studies_of(member) == []
    done = run_command("studies", "import", slug, *paths)
    again = run_command("studies", "import", slug, *paths, "--json")

    assert done.exit_code == 0, done.output
    assert "Imported 4 studies: 3 new, 0 changed, 0 unchanged, 1 refused." in done.stdout
    assert f"{files[0]} line 2: The line is no JSON" in done.stdout
    assert len(studies_of(member)) == 3
    report = json.loads(again.stdout)
    assert report["counts"] == {"new": 0, "changed": 0, "unchanged": 3, "refused": 1}
    assert report["studies"][3]["place"] == f"{files[1]} /studies/0"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no file"),
        (b"nothing", "No study can be imported."),
        (b"\x1f\x8bdamaged", "No study can be imported."),
    ],
)
def test_the_command_fails_if_nothing_can_be_imported(
    member: Member, run_command: Any, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "studies.json"
    if content is not None:
        path.write_bytes(content)

    failed = run_command("studies", "import", member.tenant.slug, str(path))

    assert failed.exit_code == 1
    assert sentence in failed.output
    assert studies_of(member) == []
