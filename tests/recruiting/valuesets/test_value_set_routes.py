"""Value sets are composed, versioned and expanded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from members import AsMember, Member
from terminology_files import write_rxnorm, write_snomed

from trially.auth.roles import PhiLevel, Role
from trially.recruiting.valuesets import expanding
from trially.recruiting.valuesets.starter_sets import starter_sets
from trially.tenancy.catalog import Tenant

SCT = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LoadTerminology = Callable[..., None]


def create(member: Member, key: str, *include: Any, exclude: Any = ()) -> dict[str, Any]:
    compose = {"include": list(include)} | ({"exclude": list(exclude)} if exclude else {})
    answer = member.post("/valuesets", json={"key": key, "name": key, "compose": compose})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def codes_of(member: Member, value_set_id: str) -> set[str]:
    expansion = member.get(f"/valuesets/{value_set_id}/expansion?limit=1000").json
    return {each["code"] for each in expansion["codes"]}


def test_a_value_set_is_created_with_its_expansion(member: Member) -> None:
    answer = member.post(
        "/valuesets",
        json={
            "key": "our-diabetes",
            "name": "Our diabetes",
            "compose": {
                "include": [
                    {"icd10_prefix": "e112"},
                    {"codes": ["sct|44054006", "loinc|4548-4"]},
                ],
                "exclude": [{"codes": {"system": "http://loinc.org", "code": "4548-4"}}],
            },
        },
    )
    created = answer.json

    assert answer.status_code == 201
    assert created == {
        "id": created["id"],
        "etag": '"1"',
        "key": "our-diabetes",
        "name": "Our diabetes",
        "description": None,
        "compose": {
            "include": [
                {"icd10_prefix": ["E11.2"]},
                {"codes": ["sct|44054006", "loinc|4548-4"]},
            ],
            "exclude": [{"codes": ["loinc|4548-4"]}],
        },
        "number": 1,
        "digest": created["digest"],
        "code_count": 1,
        "range_count": 4,
        "gaps": [],
        "terminologies": {},
        "expanded_at": created["expanded_at"],
        "created_at": created["created_at"],
        "updated_at": created["created_at"],
    }
    expansion = member.get(f"/valuesets/{created['id']}/expansion").json
    assert expansion["codes"] == [{"system": SCT, "code": "44054006", "display": None}]
    assert {"system": ICD10CM, "low": "E11.2", "high": "E11.3"} in expansion["ranges"]
    assert {"system": ICD10CM, "low": "E112", "high": "E113"} in expansion["ranges"]
    assert expansion["digest"] == created["digest"]
    assert member.get("/valuesets?key=our-diabetes").json["data"] == [created]


def test_another_composition_is_another_version(member: Member) -> None:
    first = create(member, "a", {"codes": ["icd10cm|I10"]})
    path = f"/valuesets/{first['id']}"

    renamed = member.patch(path, json={"name": "Renamed"}).json
    same = member.patch(path, json={"compose": {"include": [{"codes": "icd10cm|I10"}]}}).json
    changed = member.patch(path, json={"compose": {"include": [{"icd10_prefix": "I10"}]}}).json
    stale = member.patch(
        path,
        json={"compose": {"include": [{"icd10_prefix": "I11"}]}},
        headers={"If-Match": first["etag"]},
    )

    assert (renamed["number"], same["number"], changed["number"]) == (1, 1, 2)
    assert renamed["digest"] == first["digest"] != changed["digest"]
    assert stale.status_code == 412
    versions = member.get(f"{path}/versions").json["data"]
    assert [(each["number"], each["compose"]) for each in versions] == [
        (1, first["compose"]),
        (2, changed["compose"]),
    ]
    assert member.get(path).json == changed


def test_a_merge_patch_reaches_into_the_composition(member: Member) -> None:
    created = create(member, "a", {"icd10_prefix": "I1"}, exclude=[{"icd10_prefix": "I15"}])

    patched = member.patch(f"/valuesets/{created['id']}", json={"compose": {"exclude": None}})

    assert patched.json["compose"] == {"include": [{"icd10_prefix": ["I1"]}]}
    assert patched.json["number"] == 2


def test_the_key_never_changes(member: Member) -> None:
    created = create(member, "a", {"icd10_prefix": "I10"})

    answer = member.patch(f"/valuesets/{created['id']}", json={"key": "b"})

    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/key"


@pytest.mark.parametrize(
    ("compose", "pointer"),
    [
        ({}, "/compose"),
        ({"include": []}, "/compose/include"),
        ({"include": [{}]}, "/compose/include/0"),
        ({"include": [{"icd10_prefix": "11"}]}, "/compose/include/0/icd10_prefix"),
        ({"include": [{"codes": "44054006"}]}, "/compose/include/0/codes"),
        ({"include": [{"codes": "sct|44054007"}]}, "/compose/include/0/codes"),
        ({"include": [{"ingredient": "x"}]}, "/compose/include/0/ingredient/0"),
        ({"include": [{"valueset": "nowhere"}]}, "/compose/include/0/valueset/0"),
        ({"include": [{"valueset": "a"}]}, "/compose/include/0/valueset/0"),
        ({"include": [{"icd10_prefix": "E11"}], "more": 1}, "/compose/more"),
        ({"include": [{"icd10_prefix": "E11", "x": 1}]}, "/compose/include/0/x"),
    ],
)
def test_errors_say_where(shared_member: Member, compose: Any, pointer: str) -> None:
    body = {"key": "a", "name": "A", "compose": compose}
    answer = shared_member.post("/valuesets", json=body)
    preview = shared_member.post("/valuesets/preview", json={"compose": compose})

    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == pointer
    assert preview.status_code == 422


@pytest.mark.parametrize("key", ["", "A", "a b", "é", "-a", "x" * 65])
def test_keys_are_short_and_plain(shared_member: Member, key: str) -> None:
    compose = {"include": [{"icd10_prefix": "E11"}]}
    answer = shared_member.post("/valuesets", json={"key": key, "name": "A", "compose": compose})

    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json["errors"]} == {"/key"}


def test_a_key_is_given_once_and_those_of_starter_sets_are_taken(member: Member) -> None:
    create(member, "a", {"icd10_prefix": "I10"})

    for key in ("a", "t2dm"):
        compose = {"include": [{"icd10_prefix": "E11"}]}
        answer = member.post("/valuesets", json={"key": key, "name": "A", "compose": compose})
        assert answer.status_code == 409
        assert answer.json["errors"][0]["pointer"] == "/key"


def test_sets_include_others_and_follow_them(member: Member) -> None:
    inner = create(member, "inner", {"codes": ["icd10cm|I10"]})
    middle = create(member, "middle", {"valueset": "inner"}, {"codes": ["icd10cm|I11.9"]})
    outer = create(member, "outer", {"valueset": ["middle"]}, exclude=[{"codes": "icd10cm|I11.9"}])
    assert codes_of(member, outer["id"]) == {"I10"}

    changed = member.patch(
        f"/valuesets/{inner['id']}", json={"compose": {"include": [{"codes": "icd10cm|I12.0"}]}}
    )

    assert changed.status_code == 200
    assert codes_of(member, outer["id"]) == {"I12.0", "I120"}
    assert codes_of(member, middle["id"]) == {"I12.0", "I120", "I11.9", "I119"}
    followed = member.get(f"/valuesets/{outer['id']}").json
    assert (followed["number"], followed["digest"] != outer["digest"]) == (1, True)


def test_sets_do_not_include_each_other_in_a_circle(member: Member) -> None:
    inner = create(member, "inner", {"codes": ["icd10cm|I10"]})
    create(member, "middle", {"valueset": "inner"})
    create(member, "outer", {"valueset": "middle"})

    for name in ("inner", "middle", "outer"):
        answer = member.patch(
            f"/valuesets/{inner['id']}", json={"compose": {"include": [{"valueset": name}]}}
        )
        assert answer.status_code == 422
        assert answer.json["errors"][0]["pointer"] == "/compose/include/0/valueset/0"


def test_starter_sets_are_listed_expanded_and_included(member: Member) -> None:
    listed = {each["key"]: each for each in member.get("/valuesets/starters").json["data"]}
    t2dm = listed["t2dm"]
    own = create(member, "ours", {"valueset": "t2dm"}, exclude=[{"icd10_prefix": "E11.65"}])

    assert listed.keys() == starter_sets().keys()
    assert t2dm["gaps"][0].startswith("SNOMED CT is not loaded, so codes below 44054006")
    assert t2dm["terminologies"] == {"sct": None}
    assert "44054006" in codes_of(member, t2dm["id"])
    assert "44054006" in codes_of(member, own["id"])
    assert own["gaps"] == t2dm["gaps"]
    assert member.get(f"/valuesets/{t2dm['id']}").status_code == 404
    assert member.patch(f"/valuesets/{t2dm['id']}", json={"name": "X"}).status_code == 404


def test_descendants_and_products_need_their_terminologies(
    member: Member, load_terminology: LoadTerminology, tmp_path: Path
) -> None:
    body = {
        "compose": {
            "include": [
                {"codes": ["sct|73211009"], "descendants": True},
                {"ingredient": "6809"},
            ]
        }
    }
    before = member.post("/valuesets/preview", json=body).json
    load_terminology("sct", write_snomed(tmp_path / "sct"))
    load_terminology("rxnorm", write_rxnorm(tmp_path / "rxnorm"), version="1")
    after = member.post("/valuesets/preview", json=body).json

    assert before["gaps"] == [
        "SNOMED CT is not loaded, so codes below 73211009 are missing.",
        "RxNorm is not loaded, so products of 6809 are missing.",
    ]
    assert {each["code"] for each in before["codes"]} == {"73211009", "6809"}
    assert after["gaps"] == []
    displays = {each["code"]: each["display"] for each in after["codes"]}
    assert displays["861007"] == "metformin hydrochloride 500 MG Oral Tablet"
    assert displays["422034002"] == "Retinopathy due to type 2 diabetes mellitus (disorder)"
    assert {"system": RXNORM, "code": "861731"}.items() <= {
        **next(each for each in after["codes"] if each["code"] == "861731")
    }.items()
    assert after["digest"] != before["digest"]
    assert None not in after["terminologies"].values()


def test_codes_that_the_release_lacks_are_gaps(
    member: Member, load_terminology: LoadTerminology, tmp_path: Path
) -> None:
    load_terminology("sct", write_snomed(tmp_path))
    created = create(member, "a", {"codes": ["sct|313436004"], "descendants": True})

    assert created["gaps"] == ["SNOMED CT 20260901 does not have 313436004."]
    assert codes_of(member, created["id"]) == {"313436004"}


def test_a_set_is_expanded_again_when_a_terminology_has_changed(
    member: Member, load_terminology: LoadTerminology, tmp_path: Path
) -> None:
    created = create(member, "a", {"codes": ["sct|44054006"], "descendants": True})
    outer = create(member, "b", {"valueset": "a"})
    path = f"/valuesets/{created['id']}"

    load_terminology("sct", write_snomed(tmp_path / "1"))
    assert codes_of(member, created["id"]) == {"44054006"}, "Stored expansions stay."
    first = member.post(f"{path}/expansion").json
    again = member.post(f"{path}/expansion").json
    load_terminology("sct", write_snomed(tmp_path / "2", "313436004"))
    second = member.post(f"{path}/expansion").json

    assert created["terminologies"] == {"sct": None}
    assert first["gaps"] == []
    assert first == again, "An expansion that comes out alike changes nothing."
    assert len({created["digest"], first["digest"], second["digest"]}) == 3
    assert len({first["terminologies"]["sct"], second["terminologies"]["sct"]}) == 2
    assert {each["number"] for each in (created, first, second)} == {1}
    assert codes_of(member, outer["id"]) == {"44054006", "422034002", "313436004"}


def test_too_many_codes_are_refused(
    member: Member,
    load_terminology: LoadTerminology,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_terminology("sct", write_snomed(tmp_path))
    monkeypatch.setattr(expanding, "MOST_CODES", 3)
    compose = {"include": [{"codes": ["sct|64572001"], "descendants": True}]}
    answer = member.post("/valuesets", json={"key": "a", "name": "A", "compose": compose})

    assert answer.status_code == 422
    assert "more than 3 codes" in answer.json["errors"][0]["detail"]
    assert member.get("/valuesets").json["data"] == []


def test_expansions_are_shown_in_parts(member: Member) -> None:
    created = create(member, "a", {"codes": [f"sct|{code}" for code in ("44054006", "46635009")]})
    path = f"/valuesets/{created['id']}/expansion"

    parts = [member.get(f"{path}?limit=1&offset={offset}").json["codes"] for offset in range(3)]

    assert [[each["code"] for each in part] for part in parts] == [["44054006"], ["46635009"], []]


def test_a_preview_stores_nothing(member: Member) -> None:
    body = {"compose": {"include": [{"valueset": "t2dm"}]}}

    assert member.post("/valuesets/preview", json=body).json["range_count"] > 0
    assert member.get("/valuesets").json["data"] == []


def test_roles_read_and_write_value_sets(tenant: Tenant, as_member: AsMember) -> None:
    body = {"key": "a", "name": "A", "compose": {"include": [{"icd10_prefix": "E11"}]}}
    coordinator = as_member(tenant, Role.COORDINATOR, phi_level=PhiLevel.NONE)

    created = coordinator.post("/valuesets", json=body)
    assert created.status_code == 201
    for role in (Role.RECRUITER, Role.VIEWER, Role.AUDITOR):
        reader = as_member(tenant, role)
        assert reader.get(f"/valuesets/{created.json['id']}").json == created.json
        assert reader.post("/valuesets/preview", json={"compose": body["compose"]}).is_json
        assert reader.post("/valuesets", json={**body, "key": "b"}).status_code == 403
        assert reader.post(f"/valuesets/{created.json['id']}/expansion").status_code == 403


def test_changes_are_in_the_audit_log(member: Member) -> None:
    created = create(member, "a", {"icd10_prefix": "I10"})
    member.patch(f"/valuesets/{created['id']}", json={"name": "Renamed"})

    records = member.get("/audit?limit=50").json["data"]

    tables = [change["table"] for each in records for change in each["changes"]]
    assert tables.count("value_set") == 2
    assert not any(table.startswith("value_set_") for table in tables)
