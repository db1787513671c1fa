import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import combinations
from statistics import mean
from typing import Any

import orjson
import pytest

from trially.demo.organisations import DEMO_ORGANISATIONS, DemoOrganisation
from trially.demo.patients import generate_records
from trially.demo.people import DEMO_TODAY

TYPES = {
    "Patient",
    "Encounter",
    "Condition",
    "Observation",
    "MedicationRequest",
    "Procedure",
    "AllergyIntolerance",
    "Immunization",
}
Resource = dict[str, Any]

EXPECTED_SHA256 = {
    "riverbend-clinic": "20fba82f0c5d031dae4d8eafd129bb08c67fdb2a02f214f30063a4f6d8e4a7ec",
    "northstar-cro": "3c23b0bb16b0378a219d758341b9d72e1ed49602ff620ac2035bdce5446f6cb8",
    "lakeside-health": "702b8f3b45719b111f78aa64b197b865e26dfb3feb4ff66726fe1bf21f5050d4",
}
DATE = re.compile(r"^\d{4}-\d\d-\d\d")
DIABETES, PREGNANCY, KIDNEY_DISEASE = "44054006", "77386006", "433144002"
HBA1C, HBA1C_IFCC, FILTRATION = "4548-4", "59261-8", "33914-3"
HEIGHT, WEIGHT, BODY_MASS_INDEX = "8302-2", "29463-7", "39156-5"


def generate(organisation: DemoOrganisation) -> list[Resource]:
    return list(generate_records(organisation.slug, organisation.patients, organisation.kind))


RECORDS = {organisation.slug: generate(organisation) for organisation in DEMO_ORGANISATIONS}
every_tenant = pytest.mark.parametrize("slug", RECORDS)


def dump(resources: list[Resource]) -> bytes:
    return b"\n".join(orjson.dumps(resource, option=orjson.OPT_SORT_KEYS) for resource in resources)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "reference" in value:
            yield value["reference"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else ():
        yield from strings(part)
    for part in value if isinstance(value, list) else ():
        yield from strings(part)


def owner_of(resource: Resource) -> str:
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    subject = resource.get("subject") or resource["patient"]
    return str(subject["reference"]).removeprefix("Patient/")


def of_type(slug: str, resource_type: str) -> list[Resource]:
    return [each for each in RECORDS[slug] if each["resourceType"] == resource_type]


def codes_of(resource: Resource) -> set[str]:
    return {coding["code"] for coding in resource["code"]["coding"]}


def patients_with(slug: str, code: str) -> set[str]:
    return {
        owner_of(condition)
        for condition in of_type(slug, "Condition")
        if code in codes_of(condition)
        and condition["verificationStatus"]["coding"][0]["code"] == "confirmed"
    }


def latest(slug: str, code: str) -> dict[str, float]:
    """Give each patient's latest valid value."""
    found = sorted(
        (
            observation
            for observation in of_type(slug, "Observation")
            if code in codes_of(observation) and observation["status"] == "final"
        ),
        key=lambda observation: observation["effectiveDateTime"],
    )
    return {owner_of(each): each["valueQuantity"]["value"] for each in found}


# Determinism


@pytest.mark.parametrize("organisation", DEMO_ORGANISATIONS, ids=lambda each: each.slug)
def test_a_seed_gives_the_same_bytes_always(organisation: DemoOrganisation) -> None:
    first, second = dump(RECORDS[organisation.slug]), dump(generate(organisation))

    assert first == second
    assert hashlib.sha256(first).hexdigest() == EXPECTED_SHA256[organisation.slug]


def test_more_patients_leave_the_first_ones_as_they_are() -> None:
    few = list(generate_records("some seed", 3, "site"))
    more = list(generate_records("some seed", 5, "site"))

    assert more[: len(few)] == few
    assert len(more) > len(few)


def test_tenants_share_no_id_and_no_name() -> None:
    for ours, theirs in combinations(RECORDS, 2):
        for identify in (ids, names):
            assert identify(ours).isdisjoint(identify(theirs))


def ids(slug: str) -> set[str]:
    return {resource["id"] for resource in RECORDS[slug]}


def names(slug: str) -> set[str]:
    found = (patient["name"][0] for patient in of_type(slug, "Patient"))
    return {" ".join([*name["given"], name["family"]]) for name in found}


# Shape


@every_tenant
def test_a_patient_comes_before_what_refers_to_it(slug: str) -> None:
    seen: set[str] = set()
    for resource in RECORDS[slug]:
        assert resource["resourceType"] in TYPES
        assert all(reference in seen for reference in references(resource))
        key = f"{resource['resourceType']}/{resource['id']}"
        assert key not in seen
        seen.add(key)


@every_tenant
def test_every_patient_has_a_number_and_a_name_of_their_own(slug: str) -> None:
    patients = of_type(slug, "Patient")
    organisation = next(each for each in DEMO_ORGANISATIONS if each.slug == slug)

    numbers = {patient["identifier"][0]["value"] for patient in patients}
    assert len(patients) == len(numbers) == len(names(slug)) == organisation.patients
    assert all(re.fullmatch(r"DEMO-\d{6}", number) for number in numbers)


@every_tenant
def test_every_type_is_there_and_records_have_a_fair_size(slug: str) -> None:
    sizes = Counter(owner_of(resource) for resource in RECORDS[slug])

    assert {resource["resourceType"] for resource in RECORDS[slug]} == TYPES
    assert 15 <= mean(sizes.values()) <= 40
    assert min(sizes.values()) >= 5
    assert max(sizes.values()) <= 80


@every_tenant
def test_conditions_keep_the_rules_of_fhir(slug: str) -> None:
    for condition in of_type(slug, "Condition"):
        verification = condition["verificationStatus"]["coding"][0]["code"]
        clinical = condition.get("clinicalStatus", {}).get("coding", [{}])[0].get("code")

        systems = [coding["system"] for coding in condition["code"]["coding"]]
        assert systems == ["http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm"]
        assert (clinical is None) == (verification == "entered-in-error")
        if "abatementDateTime" in condition:
            assert clinical in {"inactive", "resolved", "remission"}
            assert condition["onsetDateTime"] <= condition["abatementDateTime"]


@every_tenant
def test_observations_have_a_value_in_a_ucum_unit(slug: str) -> None:
    for observation in of_type(slug, "Observation"):
        values = [observation, *observation.get("component", [])]
        quantities = [each["valueQuantity"] for each in values if "valueQuantity" in each]

        assert quantities or "valueCodeableConcept" in observation
        for quantity in quantities:
            assert quantity["system"] == "http://unitsofmeasure.org"
            assert quantity["unit"] == quantity["code"]
            assert quantity["value"] >= 0


@every_tenant
def test_real_life_untidiness_is_there(slug: str) -> None:
    resources = RECORDS[slug]
    mistaken = sum(resource.get("status") == "entered-in-error" for resource in resources)
    verifications = Counter(
        condition["verificationStatus"]["coding"][0]["code"]
        for condition in of_type(slug, "Condition")
    )
    prescriptions = {request["status"] for request in of_type(slug, "MedicationRequest")}
    patients = of_type(slug, "Patient")

    assert 0.01 <= mistaken / len(resources) <= 0.03
    assert verifications["refuted"] > 0
    assert verifications["entered-in-error"] > 0
    assert {"active", "stopped", "completed"} <= prescriptions
    assert any("abatementDateTime" in each for each in of_type(slug, "Condition"))
    assert any("comparator" in each.get("valueQuantity", {}) for each in resources)
    assert latest(slug, HBA1C_IFCC)
    assert 0 < sum("deceasedDateTime" in patient for patient in patients) < len(patients) / 10
    assert 0 < sum(len(patient["birthDate"]) == 4 for patient in patients) < len(patients) / 10
    languages = {each["communication"][0]["language"]["coding"][0]["code"] for each in patients}
    assert languages == {"en", "es", "zh"}


# Plausibility


@every_tenant
def test_diabetics_have_the_higher_hba1c(slug: str) -> None:
    diabetics, values = patients_with(slug, DIABETES), latest(slug, HBA1C)
    theirs = [value for patient, value in values.items() if patient in diabetics]
    others = [value for patient, value in values.items() if patient not in diabetics]

    assert mean(theirs) > mean(others) + 1.5
    assert all(6.2 <= value <= 11 for value in theirs)
    assert all(4.8 <= value <= 5.9 for value in others)


@every_tenant
def test_hba1c_in_either_unit_tells_the_same(slug: str) -> None:
    diabetics = patients_with(slug, DIABETES)

    for patient, value in latest(slug, HBA1C_IFCC).items():
        assert (value / 10.929 + 2.15 > 6.1) == (patient in diabetics)


@every_tenant
def test_filtration_agrees_with_kidney_disease(slug: str) -> None:
    diseased = patients_with(slug, KIDNEY_DISEASE)

    for patient, value in latest(slug, FILTRATION).items():
        assert (30 <= value < 60) == (patient in diseased)


@every_tenant
def test_diabetes_brings_other_illnesses_along(slug: str) -> None:
    diabetics = patients_with(slug, DIABETES)
    others = {patient["id"] for patient in of_type(slug, "Patient")} - diabetics

    tense = patients_with(slug, "59621000") | patients_with(slug, "38341003")
    assert len(tense & diabetics) / len(diabetics) > len(tense & others) / len(others)


@every_tenant
def test_sexes_have_only_what_they_can_have(slug: str) -> None:
    sex = {patient["id"]: patient["gender"] for patient in of_type(slug, "Patient")}
    women_only = {PREGNANCY, "254837009", "38822007", "24623002", "169230002"}
    men_only = {"399068003", "2857-1", "65575008", "90470006"}

    assert patients_with(slug, PREGNANCY)
    for resource in RECORDS[slug]:
        if "code" in resource:
            if codes_of(resource) & women_only:
                assert sex[owner_of(resource)] == "female"
            if codes_of(resource) & men_only:
                assert sex[owner_of(resource)] == "male"


@every_tenant
def test_pregnancies_end_in_time_and_come_at_childbearing_age(slug: str) -> None:
    born = {patient["id"]: int(patient["birthDate"][:4]) for patient in of_type(slug, "Patient")}

    for condition in of_type(slug, "Condition"):
        if PREGNANCY in codes_of(condition):
            began = date.fromisoformat(condition["onsetDateTime"])
            ended = date.fromisoformat(condition.get("abatementDateTime", DEMO_TODAY.isoformat()))
            assert 17 <= began.year - born[owner_of(condition)] <= 45
            assert ended - began <= timedelta(days=280)


@every_tenant
def test_weight_height_and_body_mass_index_agree(slug: str) -> None:
    heights = latest(slug, HEIGHT)
    at_visit: dict[str, dict[str, float]] = {}
    for observation in of_type(slug, "Observation"):
        if codes_of(observation) & {WEIGHT, BODY_MASS_INDEX} and observation["status"] == "final":
            (code,) = codes_of(observation)
            encounter = observation["encounter"]["reference"]
            at_visit.setdefault(encounter, {"height": heights.get(owner_of(observation), 0.0)})
            at_visit[encounter][code] = observation["valueQuantity"]["value"]

    complete = [each for each in at_visit.values() if each["height"] and len(each) == 3]
    assert len(complete) > len(heights)
    for values in complete:
        index = values[WEIGHT] / (values["height"] / 100) ** 2
        assert values[BODY_MASS_INDEX] == pytest.approx(index, abs=0.06)


@every_tenant
def test_obesity_agrees_with_body_mass_index(slug: str) -> None:
    obese = patients_with(slug, "414916001")

    for patient, index in latest(slug, BODY_MASS_INDEX).items():
        assert (index >= 30) == (patient in obese)


@every_tenant
def test_nothing_happens_before_birth_or_after_death_or_today(slug: str) -> None:
    patients = {patient["id"]: patient for patient in of_type(slug, "Patient")}

    for resource in RECORDS[slug]:
        patient = patients[owner_of(resource)]
        last = patient.get("deceasedDateTime", DEMO_TODAY.isoformat())
        days = [text[:10] for text in strings(resource) if DATE.match(text)]
        assert all(patient["birthDate"] <= day <= last for day in days)


# Fictitiousness


@every_tenant
def test_no_one_can_be_reached(slug: str) -> None:
    for patient in of_type(slug, "Patient"):
        assert re.search("Test|Sample|Demo|Mock", patient["name"][0]["family"])
        for contact in patient["telecom"]:
            if contact["system"] == "phone":
                assert re.fullmatch(r"\d{3}-555-01\d\d", contact["value"])
            else:
                assert contact["value"].endswith("@example.org")


# Organisations

ROLES = {"owner", "admin", "coordinator", "recruiter", "viewer", "auditor"}


def test_there_is_a_tenant_of_each_kind() -> None:
    kinds = [organisation.kind for organisation in DEMO_ORGANISATIONS]
    sites = [len(organisation.sites) for organisation in DEMO_ORGANISATIONS]

    assert kinds == ["site", "cro", "health_system"]
    assert sites == [1, 4, 3]


@pytest.mark.parametrize("organisation", DEMO_ORGANISATIONS, ids=lambda each: each.slug)
def test_an_organisation_holds_together(organisation: DemoOrganisation) -> None:
    sites = {site.name for site in organisation.sites}
    protocols = {study.protocol_number for study in organisation.studies}

    assert {person.role for person in organisation.people} == ROLES
    assert all(person.email.endswith("@example.org") for person in organisation.people)
    assert all(
        person.subject.startswith(f"demo|{organisation.slug}|") for person in organisation.people
    )
    assert 2 <= len(protocols) == len(organisation.studies) <= 4
    for study in organisation.studies:
        assert study.nct_id is None
        assert {each.site for each in study.sites} <= sites
        assert sum(each.target_enrollment for each in study.sites) == study.target_enrollment


def test_people_are_told_apart_across_tenants() -> None:
    people = [person for each in DEMO_ORGANISATIONS for person in each.people]

    for attribute in ("subject", "email", "display_name"):
        assert len({getattr(person, attribute) for person in people}) == len(people)
