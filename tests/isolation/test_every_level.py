"""Every route, asked as every role at every PHI level, restricted to a site and not."""

import itertools
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from examples import (
    ABOUT_PATIENTS,
    API,
    EXAMPLES,
    NEEDS_A_REAL_ISSUER,
    PREPARED,
    ROUTES,
    create_all,
    ids_of_nothing,
    new_word,
    options_for,
    url_for,
)
from members import AsMember, MakeFact, MakePatient, MakeTenant, Member
from werkzeug.routing import Rule

from tools.permission_tables import describe_permissions, schemas_of_patients
from trially.auth.permissions import Permission
from trially.auth.roles import PhiLevel, Role, permissions_of
from trially.config import ROOT
from trially.http.masking import unmarked_fields

SECRETS = {
    "mrn": "SECRET-mrn",
    "given_name": "SECRET-given",
    "family_name": "SECRET-family",
    "birth_date": "1961-07-23",
    "phone": "SECRET-phone",
    "email": "SECRET-email",
    "address": {
        "line": "SECRET-line",
        "city": "SECRET-city",
        "postal_code": "941SECRET",
        "state": "SECRET-state",
        "country": "SECRET-country",
        "latitude": 41.25626,
        "longitude": -95.94043,
    },
    **{name: f"SECRET-{name}" for name in ("gender_identity", "race", "ethnicity", "language")},
    "deceased": True,
    "deceased_at": "2021-08-29T10:00:00Z",
}
ANY_VERSION = {"If-Match": "*"}
TELLTALES = ("SECRET", "1961-07", "2021-08")

_numbers = itertools.count()


@dataclass
class Clinic:
    """A tenant with two sites and all kinds of members."""

    admin: Any
    members: dict[tuple[Role, PhiLevel, bool], Any]
    ids: dict[str, str]
    """What the routes' arguments may name; the patient is at the site of restricted members."""
    elsewhere: dict[str, str]
    """The same, where rows about patients are about a patient of the other site."""
    nowhere: dict[str, str]
    """The same, where rows about patients are about a patient of no site."""
    other_site: str


@pytest.fixture(scope="module")
def clinic(
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    make_fact: MakeFact,
) -> Clinic:
    tenant = make_tenant()
    admin = as_member(tenant)
    here, there = (
        admin.post("/sites", json={"name": name}).json["id"] for name in ("Here", "There")
    )
    shared = create_all(admin, **dict.fromkeys(ABOUT_PATIENTS, ""), site_id=here)
    placed = [
        create_about_patient(admin, {**shared, "site_id": site}) for site in (here, there, None)
    ]
    for ids in placed:
        make_fact(tenant, ids["patient_id"], source_id=f"SECRET-{ids['patient_id']}")
        make_fact(tenant, ids["patient_id"], value_text="SECRET said so")
    return Clinic(
        admin=admin,
        members={
            (role, level, is_restricted): as_member(
                tenant, role, phi_level=level, site_ids=[UUID(here)] if is_restricted else None
            )
            for role in Role
            for level in PhiLevel
            for is_restricted in (False, True)
        },
        ids=placed[0],
        elsewhere=placed[1],
        nowhere=placed[2],
        other_site=there,
    )


def create_about_patient(
    member: Member, ids: dict[str, Any], wanted: Collection[str] = ABOUT_PATIENTS
) -> dict[str, Any]:
    """Create a row of each resource about a patient, or of some, and return the ids with theirs."""
    for name, example in EXAMPLES.items():
        if f"{name}_id" in ABOUT_PATIENTS & set(wanted):
            secrets = {"mrn": new_word("SECRET")} if name == "patient" else {}
            body = {**SECRETS, **secrets} if name == "patient" else {}
            ids = ids | {f"{name}_id": example.create(member, ids, new_word("SECRET"), **body)}
    return ids


def create_to_change(clinic: Clinic, rule: Rule) -> dict[str, Any]:
    """Create the rows that a route deletes or merges, and return the ids with them."""
    ids = create_about_patient(clinic.admin, clinic.ids, rule.arguments)
    for name, example in EXAMPLES.items():
        argument = "version" if name == "protocol_version" else f"{name}_id"
        if argument in rule.arguments - ABOUT_PATIENTS:
            ids = ids | {argument: example.create(clinic.admin, ids, new_word())}
    if rule.endpoint in PREPARED:
        ids = ids | PREPARED[rule.endpoint](clinic.admin, ids)
    return ids


def ask(member: Member, rule: Rule, method: str, ids: dict[str, Any]) -> Any:
    """Send a request that is valid in all but, perhaps, the member's permissions."""
    word = new_word("SECRET" if is_about_patients(rule) else "word")
    return member.request(method, url_for(rule, ids), **options_for(rule, ids, word))


def is_about_patients(rule: Rule) -> bool:
    path = rule.rule.removeprefix("/api/v1")
    return any(path == EXAMPLES[name.removesuffix("_id")].path for name in ABOUT_PATIENTS)


@pytest.mark.parametrize("is_restricted", [False, True], ids=["all sites", "one site"])
@pytest.mark.parametrize("level", list(PhiLevel))
@pytest.mark.parametrize("role", list(Role))
def test_every_route_is_held_to_the_table(
    clinic: Clinic, role: Role, level: PhiLevel, is_restricted: bool
) -> None:
    member = clinic.members[role, level, is_restricted]
    may = permissions_of(role, level, has_all_sites=not is_restricted)
    tried = 0

    for rule, method in ROUTES:
        permission = API.view_functions[rule.endpoint].__dict__["permission"]
        asked = f"{method} {rule.rule}"
        is_spent = method == "DELETE" or rule.endpoint in PREPARED
        ids = create_to_change(clinic, rule) if is_spent and permission in may else clinic.ids
        answer = ask(member, rule, method, ids)
        tried += 1
        if permission not in may:
            assert answer.status_code == 403, asked
            if method != "HEAD":
                assert answer.json["detail"] == f"This request needs the permission {permission}."
            continue
        if "job_id" in rule.arguments and Permission.JOBS_MANAGE not in may:
            assert answer.status_code == 404, asked  # an operator has asked for the job
            continue
        if rule.endpoint == NEEDS_A_REAL_ISSUER:
            assert answer.status_code == 422, asked
            continue
        assert answer.status_code < 300, (asked, answer.text)
        if level is not PhiLevel.FULL:
            assert not [tell for tell in TELLTALES if tell in answer.text], asked
        if is_restricted:
            for others in (clinic.elsewhere, clinic.nowhere):
                for name in ABOUT_PATIENTS:
                    assert others[name] not in answer.text, asked
            if ABOUT_PATIENTS & rule.arguments:
                unknown = clinic.ids | ids_of_nothing(rule.arguments)
                for others in (clinic.elsewhere, clinic.nowhere, unknown):
                    named = {name: others[name] for name in rule.arguments}
                    refused = ask(member, rule, method, {**ids, **named})
                    assert refused.status_code == 404, asked

    assert tried > 20


def test_a_patient_at_each_level(clinic: Clinic) -> None:
    path = f"/patients/{clinic.ids['patient_id']}"
    full = clinic.members[Role.RECRUITER, PhiLevel.FULL, False].get(path).json
    limited = clinic.members[Role.RECRUITER, PhiLevel.LIMITED, False].get(path).json

    assert full["mrn"].startswith("SECRET")
    assert full | SECRETS | {"mrn": full["mrn"]} == full
    assert limited == full | {
        "mrn": None,
        "given_name": None,
        "family_name": None,
        "birth_date": "1961-01-01",
        "birth_date_precision": "year",
        "phone": None,
        "email": None,
        "address": {
            **dict.fromkeys(("line", "city", "state", "country", "latitude", "longitude")),
            "postal_code": "941",
        },
        **dict.fromkeys(("gender_identity", "race", "ethnicity", "language")),
        "deceased_at": "2021-01-01T00:00:00Z",
        "deceased_on": "2021-01-01",
        "deceased_precision": "year",
        "corrections": None,
        "source_id": None,
        "etag": full["etag"].replace('"', '-masked"').removeprefix("-masked"),
        "masked_fields": limited["masked_fields"],
    }
    assert full["masked_fields"] == []
    address = (f"address.{name}" for name in limited["address"])
    # A field that is null and one that is masked to null look the same.
    changed = {name for name in full if full[name] != limited[name]} | {"mrn_system"}
    assert set(limited["masked_fields"]) == changed - {"address", "etag", "masked_fields"} | {
        *address
    }


def test_records_at_each_level(clinic: Clinic) -> None:
    path = f"/patients/{clinic.ids['patient_id']}"
    full = clinic.members[Role.VIEWER, PhiLevel.FULL, False]
    limited = clinic.members[Role.VIEWER, PhiLevel.LIMITED, False]

    for route, masked in (("records", ("source_id", "value_text")), ("timeline", ("value",))):
        whole = full.get(f"{path}/{route}").json["data"]
        shown = limited.get(f"{path}/{route}").json["data"]
        for record, hidden in zip(whole, shown, strict=True):
            assert hidden == record | dict.fromkeys(masked) | {
                "masked_fields": hidden["masked_fields"]
            }
            assert record["masked_fields"] == []
            assert set(masked) <= set(hidden["masked_fields"])
        assert "SECRET" in str(whole)


def test_the_text_of_a_code_is_masked(
    clinic: Clinic, make_patient: MakePatient, make_fact: MakeFact
) -> None:
    patient = make_patient(clinic.admin, site_id=clinic.ids["site_id"])
    for code, text in ((None, "SECRET said so"), ("4548-4", "Hemoglobin A1c")):
        make_fact(clinic.admin.tenant, patient["id"], code=code, display=text)
    full = clinic.members[Role.VIEWER, PhiLevel.FULL, False]
    limited = clinic.members[Role.VIEWER, PhiLevel.LIMITED, False]

    for route in ("records", "timeline"):
        path = f"/patients/{patient['id']}/{route}"
        shown = limited.get(path).json["data"]
        assert {record["display"] for record in shown} == {None}
        assert {record["code"] for record in shown} == {None, "4548-4"}
        assert "SECRET said so" in full.get(path).text


@pytest.mark.parametrize(
    "asked",
    [
        {"mrn": "SECRET-0"},
        {"mrn": "no one's"},
        {"given_name": "S"},
        {"family_name": "S"},
        {"birth_date": "1961-07-23"},
        {"sex": "female", "birth_date": "1961-07-23", "mrn": "SECRET-0"},
    ],
)
def test_what_is_masked_is_not_searched_by(clinic: Clinic, asked: dict[str, Any]) -> None:
    full = clinic.members[Role.VIEWER, PhiLevel.FULL, False]
    limited = clinic.members[Role.VIEWER, PhiLevel.LIMITED, False]

    answer = limited.post("/patients/search", json=asked)

    assert full.post("/patients/search", json=asked).status_code == 200
    assert answer.status_code == 403
    named = sorted(asked.keys() - {"sex"})
    assert answer.json["detail"] == f"These fields need the PHI level full: {', '.join(named)}."
    assert [error["pointer"] for error in answer.json["errors"]] == [f"/{name}" for name in named]
    assert limited.post("/patients/search", json={"sex": "female"}).status_code == 200


def test_a_cursor_of_a_search_does_not_let_others_search(clinic: Clinic) -> None:
    full = clinic.members[Role.VIEWER, PhiLevel.FULL, False]
    limited = clinic.members[Role.VIEWER, PhiLevel.LIMITED, False]
    asked = {"given_name": "SECRET", "limit": 1}
    cursor = full.post("/patients/search", json=asked).json["page"]["next"]

    answer = limited.post("/patients/search", json=asked | {"cursor": cursor})

    assert cursor
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "changes",
    [{"mrn": "X"}, {"phone": None}, {"address": {"state": "X"}}, {"birth_date": "1961-07-23"}],
)
def test_what_is_masked_is_not_changed(clinic: Clinic, changes: dict[str, Any]) -> None:
    path = f"/patients/{clinic.ids['patient_id']}"
    limited = clinic.members[Role.RECRUITER, PhiLevel.LIMITED, False]
    before = clinic.admin.get(path).json

    answer = limited.patch(path, json=changes, headers=ANY_VERSION)

    assert answer.status_code == 403
    assert clinic.admin.get(path).json == before


def test_a_patient_is_added_and_moved_within_ones_sites_only(
    clinic: Clinic, make_patient: MakePatient
) -> None:
    member = clinic.members[Role.RECRUITER, PhiLevel.FULL, True]
    mine = make_patient(member, site_id=clinic.ids["site_id"])
    body = {"mrn": "M", "given_name": "A", "family_name": "B", "birth_date": "1990-01-01"}

    refused = [
        member.post("/patients", json=body | {"sex": "other"}),
        member.post("/patients", json=body | {"sex": "other", "site_id": None}),
        member.post("/patients", json=body | {"sex": "other", "site_id": clinic.other_site}),
        member.post("/patients", json=body | {"sex": "other", "site_id": str(uuid4())}),
        member.patch(
            f"/patients/{mine['id']}", json={"site_id": clinic.other_site}, headers=ANY_VERSION
        ),
        member.patch(f"/patients/{mine['id']}", json={"site_id": None}, headers=ANY_VERSION),
    ]

    for answer in refused:
        assert answer.status_code == 422
        assert answer.json["errors"] == [
            {"pointer": "/site_id", "detail": "Must be one of your sites."}
        ]
    assert (
        member.patch(
            f"/patients/{mine['id']}", json={"phone": "1"}, headers=ANY_VERSION
        ).status_code
        == 200
    )


def test_a_patient_is_merged_within_ones_sites_only(clinic: Clinic) -> None:
    member = clinic.members[Role.RECRUITER, PhiLevel.FULL, True]
    path = f"/patients/{clinic.ids['patient_id']}"
    before = clinic.admin.get(path).json

    answers = [
        member.post(f"{path}/merge", json={"into": into})
        for into in (clinic.elsewhere["patient_id"], clinic.nowhere["patient_id"], str(uuid4()))
    ]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert len({answer.json["detail"] for answer in answers}) == 1
    assert clinic.admin.get(path).json == before


def test_what_is_masked_is_not_released(clinic: Clinic) -> None:
    ids = {**clinic.ids, **PREPARED["patients.release_correction"](clinic.admin, clinic.ids)}
    path = f"/patients/{ids['patient_id']}"
    limited = clinic.members[Role.RECRUITER, PhiLevel.LIMITED, False]

    refused = limited.delete(f"{path}/corrections/phone")
    unknown = limited.delete(f"{path}/corrections/contact_preference")
    released = limited.delete(f"{path}/corrections/sex")

    assert (refused.status_code, unknown.status_code) == (403, 404)
    assert released.json["sex"] == "male"
    assert clinic.admin.get(path).json["corrections"] == {}


def test_patients_are_counted_at_every_level_and_within_ones_sites(clinic: Clinic) -> None:
    full = clinic.members[Role.VIEWER, PhiLevel.FULL, False]
    auditor = clinic.members[Role.AUDITOR, PhiLevel.NONE, False]
    restricted = clinic.members[Role.AUDITOR, PhiLevel.NONE, True]
    answer = full.get("/patients?limit=200").json
    listed = answer["data"]
    while answer["page"]["has_more"]:
        answer = full.get(f"/patients?limit=200&cursor={answer['page']['next']}").json
        listed += answer["data"]
    there = [one for one in listed if one["site_id"] == clinic.other_site]
    here = [one for one in listed if one["site_id"] == clinic.ids["site_id"]]

    assert auditor.get("/patients/count").json == {"count": len(listed)}
    assert restricted.get("/patients/count").json == {"count": len(here)}
    assert 0 < len(there) < len(listed) - len(here)
    found = auditor.get(f"/patients/count?site_id={clinic.other_site}").json
    assert found == {"count": len(there)}
    assert restricted.get(f"/patients/count?site_id={clinic.other_site}").json == {"count": 0}
    assert auditor.get("/patients/count?sex=unknown").json == {"count": 0}
    assert auditor.get("/patients/count?mrn=SECRET-0").status_code == 400


def test_pages_of_a_restricted_member_are_of_their_sites(
    clinic: Clinic, make_patient: MakePatient
) -> None:
    member = clinic.members[Role.VIEWER, PhiLevel.LIMITED, True]
    for site in (clinic.ids["site_id"], clinic.other_site) * 2:
        make_patient(clinic.admin, site_id=site)
    query: dict[str, Any] = {"limit": 1}
    sites = []
    while True:
        page = member.get("/patients", query_string=query).json
        sites += [one["site_id"] for one in page["data"]]
        if not page["page"]["has_more"]:
            break
        query["cursor"] = page["page"]["next"]

    assert len(sites) > 2
    assert set(sites) == {clinic.ids["site_id"]}
    count = member.get("/patients/count").json["count"]
    assert count == len(sites)


def test_a_member_of_no_site_sees_no_patient(clinic: Clinic, as_member: AsMember) -> None:
    member = as_member(clinic.admin.tenant, Role.ADMIN, site_ids=[])

    assert member.get("/patients").json["data"] == []
    assert member.get("/patients/count").json == {"count": 0}
    assert member.get(f"/patients/{clinic.ids['patient_id']}").status_code == 404


def test_every_field_of_a_patient_says_whether_it_is_phi() -> None:
    schemas = schemas_of_patients()

    assert len(schemas) >= 3
    assert {
        type(schema).__name__: unmarked
        for schema in schemas
        if (unmarked := list(unmarked_fields(schema)))
    } == {}


def test_the_tables_in_the_documentation_are_those_of_the_code() -> None:
    written = (ROOT / "docs" / "permissions.md").read_text()

    assert written == describe_permissions(), "docs/permissions.md is out of date. Run `make docs`."
