"""FHIR resources and matches of received patients over HTTP, on every tier."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from members import AsMember, MakeTenant, Member
from sqlalchemy import insert, text
from validating import validate

from trially.auth.roles import PhiLevel, Role
from trially.database.changes import note_written
from trially.database.rows import delete_item
from trially.database.session import db, transaction
from trially.geolocation import GEOLOCATION
from trially.recruiting.studies.model import Study
from trially.recruiting.valuesets.model import ValueSet
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

DIABETES, HEART_FAILURE = "44054006", "84114007"
CRITERIA = [
    {"kind": "inclusion", "statement": "Adults", "expression": {"age": {"gte": 18}}},
    {
        "kind": "inclusion",
        "statement": "Diabetes",
        "expression": {"condition": {"in": {"codes": [f"sct|{DIABETES}"]}}},
    },
    {
        "kind": "exclusion",
        "statement": "Heart failure now",
        "expression": {
            "condition": {"in": {"codes": [f"sct|{HEART_FAILURE}"]}, "status": "active"}
        },
    },
]
NAME = "Lindqvist-of-nowhere"


@pytest.fixture(scope="module")
def members(make_tenant: MakeTenant, as_member: AsMember, tier: Tier) -> tuple[Member, Member]:
    """Members of two tenants."""
    ours, theirs = make_tenant(tier), make_tenant(tier)
    return as_member(ours), as_member(theirs)


@pytest.fixture(scope="module")
def ours(members: tuple[Member, Member]) -> Member:
    return members[0]


@pytest.fixture(scope="module")
def study(members: tuple[Member, Member]) -> str:
    """A study with an active version, whose id another tenant's study has too."""
    study_id = add_study(members[0])
    share_id(members[1], study_id)
    return study_id


def add_study(member: Member, criteria: list[dict[str, Any]] = CRITERIA, **more: Any) -> str:
    body = {"protocol_number": str(uuid4()), "title": "Ours", "conditions": ["Type 2 Diabetes"]}
    study = member.post("/studies", json={**body, **more}).json["id"]
    path = f"/studies/{study}/versions"
    assert member.post(path, json={}).status_code == 201
    listed = {"criteria": [{**each, "review_state": "reviewed"} for each in criteria]}
    stored = member.request("PUT", f"{path}/1/criteria", json=listed, headers={"If-Match": "*"})
    assert stored.status_code == 200, stored.text
    for action in ("submit", "activate"):
        answer = member.post(f"{path}/1/{action}", headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text
    return str(study)


def share_id(member: Member, study_id: str) -> None:
    """Give a tenant a study with the same id, without a version, and with another title."""
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        values = {"id": study_id, "tenant_id": member.tenant.id}
        db.session.execute(
            insert(Study).values(**values, protocol_number=str(uuid4()), title="Theirs")
        )
        note_written("study", patients=())


def bundle(*codes: str, born: str = "1961-07-23", **more: Any) -> dict[str, Any]:
    """Return a Bundle as other systems send it, with references by full URLs."""
    patient, subject = f"urn:uuid:{uuid4()}", {}
    subject["reference"] = patient
    entries = [
        {
            "fullUrl": patient,
            "resource": {
                "resourceType": "Patient",
                "id": patient.removeprefix("urn:uuid:"),
                "name": [{"family": NAME}],
                "birthDate": born,
                **more,
            },
        }
    ]
    for code in codes:
        resource = {
            "resourceType": "Condition",
            "id": str(uuid4()),
            "subject": subject,
            "clinicalStatus": {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
                        "code": "active",
                    }
                ]
            },
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
            "onsetDateTime": "2026-05-14",
        }
        entries.append({"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource})
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def ask(member: Member, body: Any, **options: Any) -> Any:
    kind = options.pop("content_type", "application/fhir+json")
    return member.post("/fhir/getClinicalTrial", data=json.dumps(body), content_type=kind)


def grades(answer: Any) -> dict[str, str]:
    """Return the grades of studies by id."""
    assert answer.status_code == 200, answer.text
    validate(answer.json)
    return {
        each["resource"]["id"]: each["search"]["extension"][0]["valueCode"]
        for each in answer.json.get("entry", [])
        if each["search"]["mode"] == "match"
    }


def outcomes(answer: Any, study: str) -> list[str]:
    """Return the results of a study's criteria in an answer."""
    [entry] = [each for each in answer.json["entry"] if each["resource"].get("id") == study]
    return [each["extension"][2]["valueCode"] for each in entry["search"]["extension"][1:]]


def test_each_resource_is_valid_and_the_tenants_own(
    members: tuple[Member, Member], study: str
) -> None:
    ours, theirs = members
    paths = [f"{kind}/{study}" for kind in ("ResearchStudy", "MeasureReport")]
    paths += [f"{kind}/{study}-1" for kind in ("Group", "Library")]

    for path in paths:
        answer = ours.get(f"/fhir/{path}")
        assert answer.status_code == 200, answer.text
        assert answer.content_type == "application/fhir+json"
        resource = validate(answer.json)
        assert f"{resource['resourceType']}/{resource['id']}" == path

    theirs_now = theirs.get(f"/fhir/ResearchStudy/{study}").json
    assert theirs_now["title"] == "Theirs"
    assert "enrollment" not in theirs_now
    assert theirs.get(f"/fhir/Group/{study}-1").status_code == 404
    assert theirs.get(f"/fhir/Library/{study}-1").status_code == 404
    assert theirs.get(f"/fhir/MeasureReport/{study}").status_code == 409
    assert ours.get("/fhir/metadata").json["resourceType"] == "CapabilityStatement"


def test_a_group_names_what_it_leaves_out(ours: Member, study: str) -> None:
    group = ours.get(f"/fhir/Group/{study}-1").json

    [left_out] = group["extension"]
    assert len(group["characteristic"]) == 2
    assert left_out["extension"][2]["valueString"] == "Heart failure now"


def test_an_unchanged_resource_is_not_sent_again(ours: Member, study: str) -> None:
    path = f"/fhir/ResearchStudy/{study}"
    etag = ours.get(path).headers["ETag"]

    assert ours.get(path, headers={"If-None-Match": etag}).status_code == 304
    ours.patch(f"/studies/{study}", json={"keywords": [str(uuid4())]})
    assert ours.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_studies_are_searched_in_pages(members: tuple[Member, Member], study: str) -> None:
    ours, theirs = members
    word = str(uuid4())
    made = [
        add_study(ours, status="recruiting", conditions=[f"Asthma {word}", "100% sure"])
        for _ in range(3)
    ]

    first = ours.get(f"/fhir/ResearchStudy?condition=ASTHMA {word}&status=active&_count=2")
    links = {each["relation"]: each["url"] for each in validate(first.json)["link"]}
    second = ours.get("/api/v1" + links["next"].partition("/api/v1")[2])

    found = [each["resource"]["id"] for page in (first, second) for each in page.json["entry"]]
    assert found == made
    assert [each["relation"] for each in second.json["link"]] == ["self"]
    assert "entry" not in ours.get("/fhir/ResearchStudy?condition=100_").json
    assert "entry" not in theirs.get(f"/fhir/ResearchStudy?condition={word}").json
    assert ours.get(f"/fhir/ResearchStudy?condition={word}&status=completed").json == {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [
            {
                "relation": "self",
                "url": f"http://localhost/api/v1/fhir/ResearchStudy?_count=50&status=completed"
                f"&condition={word}",
            }
        ],
    }
    assert ours.get("/fhir/ResearchStudy?status=recruiting").status_code == 400


@pytest.mark.parametrize("form", ["bundle", "patientData", "text", "parameters"])
def test_a_patient_is_matched_and_not_stored(
    members: tuple[Member, Member], study: str, form: str
) -> None:
    ours, theirs = members
    patient = bundle(DIABETES)
    bodies: dict[str, Callable[[], Any]] = {
        "bundle": lambda: patient,
        "patientData": lambda: {"patientData": patient},
        "text": lambda: {"patientData": json.dumps(patient)},
        "parameters": lambda: {
            "resourceType": "Parameters",
            "parameter": [{"name": "patient", "resource": patient}],
        },
    }
    before = row_counts(ours)

    answer = ask(ours, bodies[form](), content_type="application/json")

    assert grades(answer)[study] in {"certain", "probable"}
    assert row_counts(ours) == before
    assert grades(ask(theirs, patient)) == {}


def test_the_grade_follows_the_criteria(ours: Member, study: str) -> None:
    child = ask(ours, bundle(DIABETES, born="2020-01-01"))
    ill = ask(ours, bundle(DIABETES, HEART_FAILURE))
    well = ask(ours, bundle(DIABETES))
    bare = ask(ours, bundle())

    assert grades(child)[study] == grades(ill)[study] == "certainly-not"
    assert grades(well)[study] == "certain"
    assert grades(bare)[study] == "probable"
    [entry] = [each for each in well.json["entry"] if each["resource"]["id"] == study]
    assert entry["search"]["score"] == 1
    assert outcomes(well, study) == ["met", "met", "not-met"]


def test_what_is_not_used_is_said_without_its_content(ours: Member, study: str) -> None:
    patient = bundle(DIABETES)
    foreign = bundle(DIABETES)["entry"][1]
    patient["entry"] += [
        foreign,
        {"resource": {"resourceType": "Coverage", "id": "x"}},
        {"resource": {"resourceType": "Observation", "id": "y"}},
        {
            "resource": {
                "resourceType": "Parameters",
                "parameter": [
                    {"name": "zipCode", "valueString": "01730"},
                    {"name": NAME, "valueString": NAME},
                ],
            }
        },
    ]

    answer = ask(ours, patient)

    assert study in grades(answer)
    outcome = answer.json["entry"][-1]
    assert outcome["search"]["mode"] == "outcome"
    assert [each["diagnostics"] for each in outcome["resource"]["issue"]] == [
        "1 of the resources or records could not be read wholly, or refer to a missing one.",
        "1 of the resources or records are about another patient, and not used.",
        "1 of the resources or records are of types that no criterion reads.",
        "These parameters are not used: zipCode.",
    ]
    assert NAME not in answer.text


def test_a_study_whose_codes_are_unknown_is_named(ours: Member, study: str) -> None:
    key = f"lost-{uuid4()}"
    body = {"key": key, "name": key, "compose": {"include": [{"icd10_prefix": ["E11"]}]}}
    value_set = ours.post("/valuesets", json=body).json["id"]
    unknown = [
        {
            "kind": "inclusion",
            "statement": "A value set",
            "expression": {"condition": {"in": {"valueset": key}}},
        }
    ]
    other = add_study(ours, unknown)
    with ours.app.app_context(), tenant_context(str(ours.tenant.id)), transaction():
        delete_item(ValueSet, UUID(value_set))

    answer = ask(ours, bundle(DIABETES))

    assert study in grades(answer)
    assert other not in grades(answer)
    texts = [each["diagnostics"] for each in answer.json["entry"][-1]["resource"]["issue"]]
    assert any(other in each for each in texts)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"no JSON", 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"patientData": []}', 422),
        (b'{"patientData": "x"}', 400),
        (b'{"resourceType": "Patient", "id": "p"}', 422),
        (b'{"resourceType": "Bundle"}', 422),
        (b'{"resourceType": "Bundle", "entry": {}}', 422),
        (b'{"resourceType": "Bundle", "resourceType": "Bundle"}', 400),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, 400),
    ],
)
def test_other_bodies_are_refused(ours: Member, content: bytes, status: int) -> None:
    answer = ours.post("/fhir/getClinicalTrial", data=content, content_type="application/fhir+json")

    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"


def test_records_before_the_birth_are_not_used(ours: Member, study: str) -> None:
    patient = bundle(DIABETES, born="1990-01-01")
    patient["entry"][1]["resource"]["onsetDateTime"] = "1989"

    in_life = ask(ours, patient)
    patient["entry"][1]["resource"]["onsetDateTime"] = "1988"
    before = ask(ours, patient)

    assert outcomes(in_life, study)[1] == "met"
    assert outcomes(before, study)[1] == "unknown"


def test_a_medication_that_is_referred_to_counts(ours: Member) -> None:
    expression = {"medication": {"in": {"codes": ["rxnorm|860975"]}}}
    other = add_study(
        ours, [{"kind": "inclusion", "statement": "Metformin", "expression": expression}]
    )
    patient = bundle()
    coding = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "860975"}
    patient["entry"] += [
        {
            "resource": {
                "resourceType": "MedicationRequest",
                "id": "r",
                "status": "active",
                "intent": "order",
                "subject": {"reference": patient["entry"][0]["fullUrl"]},
                "medicationReference": {"reference": "Medication/m"},
                "authoredOn": "2026-05-14",
            }
        },
        {
            "resource": {
                "resourceType": "Medication",
                "id": "m",
                "code": {"coding": [coding]},
            }
        },
    ]

    assert grades(ask(ours, patient))[other] == "certain"
    patient["entry"].pop()
    without = ask(ours, patient)
    assert outcomes(without, other) == ["not-met"]
    issue = without.json["entry"][-1]["resource"]["issue"][0]
    assert issue["diagnostics"].startswith("1 of the resources or records could not be read")


def test_two_patients_are_refused(ours: Member) -> None:
    two = bundle()
    two["entry"] += bundle()["entry"]

    assert ask(ours, two).status_code == 422


def test_a_match_is_recorded_without_the_patient(ours: Member, study: str) -> None:
    ask(ours, bundle(DIABETES, HEART_FAILURE))

    records = ours.get("/audit?limit=5").json["data"]
    found = next(each for each in records if "getClinicalTrial" in each["route"])
    assert found["action"] == "read"
    assert found["details"]["resources"] == 3
    assert NAME not in json.dumps(records)
    assert found["patients"] == []


def test_members_without_phi_see_no_small_numbers(
    ours: Member, as_member: AsMember, study: str
) -> None:
    names = {"given_name": "Ada", "family_name": "Example"}
    patient = {"mrn": str(uuid4()), "birth_date": "1960-05-17", "sex": "other", **names}
    assert ours.post("/patients", json=patient).status_code == 201
    blind = as_member(ours.tenant, Role.VIEWER, phi_level=PhiLevel.NONE)

    def counts(member: Member) -> list[int | None]:
        report = member.get(f"/fhir/MeasureReport/{study}").json
        return [each.get("count") for each in report["group"][0]["population"]]

    assert counts(ours)[0] == 1
    assert counts(blind) == [None, None, None, None]


def row_counts(member: Member) -> list[int]:
    """Return the numbers of patients and of records that the tenant stores."""
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        return [
            db.session.execute(
                text(f"SELECT count(*) FROM {table} WHERE tenant_id = :id"),
                {"id": member.tenant.id},
            ).scalar_one()
            for table in ("patient", "clinical_fact")
        ]


@pytest.mark.parametrize(
    ("latitude", "outcome"), [(41.0, "met"), (45.0, "not-met"), (None, "unknown")]
)
def test_the_address_says_how_far_the_sites_are(
    ours: Member, latitude: float | None, outcome: str
) -> None:
    near = {"kind": "inclusion", "statement": "Near", "expression": {"distance": {"lte": 50}}}
    other = add_study(ours, [near])
    site = {"name": str(latitude), "latitude": 41.25626, "longitude": -95.94043}
    site_id = ours.post("/sites", json=site).json["id"]
    ours.post(f"/studies/{other}/sites", json={"site_id": site_id, "status": "open"})
    patient = bundle()
    degrees = {"latitude": latitude, "longitude": -95.94043}
    parts = [{"url": name, "valueDecimal": each} for name, each in degrees.items()]
    place = {"url": GEOLOCATION, "extension": parts}
    patient["entry"][0]["resource"]["address"] = [{"city": "Omaha", "extension": [place]}]

    assert outcomes(ask(ours, patient), other) == [outcome]
