"""The records of the demo tenants, and queries on them that the tests share."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from trially.demo.organisations import DEMO_ORGANISATIONS, DemoOrganisation
from trially.demo.patients import generate_records

Resource = dict[str, Any]

DIABETES, PREGNANCY, KIDNEY_DISEASE = "44054006", "77386006", "433144002"
HBA1C, HBA1C_IFCC, FILTRATION = "4548-4", "59261-8", "33914-3"
HEIGHT, WEIGHT, BODY_MASS_INDEX = "8302-2", "29463-7", "39156-5"


def generate(organisation: DemoOrganisation) -> list[Resource]:
    return list(generate_records(organisation.slug, organisation.patients, organisation.kind))


RECORDS = {organisation.slug: generate(organisation) for organisation in DEMO_ORGANISATIONS}
every_tenant = pytest.mark.parametrize("slug", RECORDS)
every_organisation = pytest.mark.parametrize(
    "organisation", DEMO_ORGANISATIONS, ids=lambda each: each.slug
)


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
    """Return each patient's latest valid value of a code."""
    observations = sorted(
        (
            observation
            for observation in of_type(slug, "Observation")
            if code in codes_of(observation) and observation["status"] == "final"
        ),
        key=lambda observation: observation["effectiveDateTime"],
    )
    return {owner_of(each): each["valueQuantity"]["value"] for each in observations}


def ids(slug: str) -> set[str]:
    return {resource["id"] for resource in RECORDS[slug]}


def names(slug: str) -> set[str]:
    patients = of_type(slug, "Patient")
    return {
        " ".join([*patient["name"][0]["given"], patient["name"][0]["family"]])
        for patient in patients
    }
