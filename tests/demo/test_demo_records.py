"""Demo records: the same in every run, valid FHIR, and as untidy as real records."""

import hashlib
import re
from collections import Counter
from itertools import combinations
from statistics import mean

from demo_records import (
    HBA1C_IFCC,
    RECORDS,
    dump,
    every_organisation,
    every_tenant,
    generate,
    ids,
    latest,
    names,
    of_type,
    owner_of,
    references,
)

from trially.demo.organisations import DEMO_ORGANISATIONS, DemoOrganisation
from trially.demo.patients import generate_records

TYPES = {
    "Patient",
    "Encounter",
    "Condition",
    "Observation",
    "MedicationRequest",
    "Procedure",
    "AllergyIntolerance",
    "Immunization",
    "DocumentReference",
}
EXPECTED_SHA256 = {
    "riverbend-clinic": "11122cc4e0b489c4ce54d935279c0a79dca17fc7e6e5a749571047837ac36bf4",
    "northstar-cro": "ab4ec86834c9bcca7cf4bc33a8d5aae9d589adff3824fc1b43fae87c52df253c",
    "lakeside-health": "db675c4790fca2c49dff34c2460818c3885164e00a1c5260550aeb8fe714781e",
}


@every_organisation
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
    for first, second in combinations(RECORDS, 2):
        for identify in (ids, names):
            assert identify(first).isdisjoint(identify(second))


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
