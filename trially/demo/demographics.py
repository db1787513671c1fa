"""Add the Patient resource: identity, address, telecom and language."""

from typing import Any

from trially.demo.chart import Chart
from trially.demo.codes import HL7
from trially.demo.places import STREETS, Place
from trially.geolocation import GEOLOCATION

MRN_SYSTEM = "https://demo.trially.example/mrn"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
OMB = "urn:oid:2.16.840.1.113883.6.238"

WHITE, BLACK, ASIAN = "White", "Black or African American", "Asian"
RACES = (
    (("2106-3", WHITE), 0.66),
    (("2054-5", BLACK), 0.17),
    (("2028-9", ASIAN), 0.10),
    (("1002-5", "American Indian or Alaska Native"), 0.05),
    (("2076-8", "Native Hawaiian or Other Pacific Islander"), 0.02),
)
HISPANIC = ("2135-2", "Hispanic or Latino")
NOT_HISPANIC = ("2186-5", "Not Hispanic or Latino")
LANGUAGES = {"en": "English", "es": "Spanish", "zh": "Chinese"}

YEAR_ONLY_SHARE = 0.03
"""Share of patients whose birth date is only a year."""


def write_patient(chart: Chart) -> None:
    """Add the Patient, with the HL7 security label for test data (HTEST)."""
    dice, person = chart.dice, chart.person
    race = dice.weigh(RACES)
    ethnicity = HISPANIC if dice.chance(0.16) else NOT_HISPANIC
    born = person.born.isoformat()
    death = {} if person.died is None else {"deceasedDateTime": person.died.isoformat()}
    chart.add(
        "Patient",
        meta={"security": [{"system": f"{HL7}/v3-ActReason", "code": "HTEST"}]},
        extension=[
            to_extension("race", race),
            to_extension("ethnicity", ethnicity),
            {"url": f"{US_CORE}/us-core-birthsex", "valueCode": person.sex[0].upper()},
        ],
        identifier=[
            {
                "type": {"coding": [{"system": f"{HL7}/v2-0203", "code": "MR"}]},
                "system": MRN_SYSTEM,
                "value": f"DEMO-{person.number:06}",
            }
        ],
        active=True,
        name=[
            {
                "use": "official",
                "family": person.name.family,
                "given": [person.name.given, person.name.middle],
            }
        ],
        telecom=draw_telecom(chart),
        gender=person.sex,
        birthDate=born[:4] if dice.chance(YEAR_ONLY_SHARE) else born,
        **death,
        address=[
            {
                "use": "home",
                "line": [f"{dice.whole(1, 999)} {dice.choose(STREETS)}"],
                "city": person.place.city,
                "state": person.place.state,
                "postalCode": person.place.postal_code,
                "country": "US",
                "extension": [to_geolocation(person.place)],
            }
        ],
        communication=[to_communication(draw_language(chart, race, ethnicity))],
    )


def to_geolocation(place: Place) -> dict[str, Any]:
    """Return FHIR's extension for where an address is: the centre of its town."""
    degrees = {"latitude": place.latitude, "longitude": place.longitude}
    return {
        "url": GEOLOCATION,
        "extension": [{"url": name, "valueDecimal": value} for name, value in degrees.items()],
    }


def to_extension(name: str, coded: tuple[str, str]) -> dict[str, Any]:
    """Return the US Core extension of a race or ethnicity."""
    code, display = coded
    return {
        "url": f"{US_CORE}/us-core-{name}",
        "extension": [
            {
                "url": "ombCategory",
                "valueCoding": {"system": OMB, "code": code, "display": display},
            },
            {"url": "text", "valueString": display},
        ],
    }


def draw_telecom(chart: Chart) -> list[dict[str, str]]:
    """Return a phone number reserved for fiction (555-01xx), and mostly an example.org address."""
    person, dice = chart.person, chart.dice
    phone = f"{person.place.area_code}-555-{dice.whole(100, 199):04}"
    telecom = [{"system": "phone", "value": phone, "use": "mobile"}]
    if dice.chance(0.85):
        local_part = f"{person.name.given}.{person.name.family}.{person.number}".lower()
        telecom.append({"system": "email", "value": f"{local_part}@example.org"})
    return telecom


def draw_language(chart: Chart, race: tuple[str, str], ethnicity: tuple[str, str]) -> str:
    """Return the code of the preferred language."""
    if ethnicity is HISPANIC and chart.dice.chance(0.45):
        return "es"
    return "zh" if race[1] == ASIAN and chart.dice.chance(0.35) else "en"


def to_communication(language: str) -> dict[str, Any]:
    """Return the `communication` element for a preferred language."""
    coding = {"system": "urn:ietf:bcp:47", "code": language, "display": LANGUAGES[language]}
    return {"language": {"coding": [coding], "text": LANGUAGES[language]}, "preferred": True}
