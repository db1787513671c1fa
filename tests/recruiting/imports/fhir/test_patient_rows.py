"""The row of a Patient."""

from typing import Any

import pytest

from tests.recruiting.imports.fhir_examples import PATIENT, concept, fault_of, translate_patient
from trially.geolocation import GEOLOCATION
from trially.recruiting.imports.fhir.translating import translate
from trially.recruiting.patients.model import ADDRESS_WIDTHS

NAME_ROW = dict.fromkeys(("use", "full_name", "period_start", "period_end"))
UNSAID = dict.fromkeys(("system", "use", "period_start", "period_end", "assigner"))


def test_patient_row() -> None:
    assert translate_patient() == {
        "source_id": "p1",
        "mrn": "M7",
        "mrn_system": None,
        "identifiers": [
            {**UNSAID, "type": "SS", "value": "1", "mrn_rank": None},
            {**UNSAID, "type": "MR", "value": "M7", "mrn_rank": 1},
        ],
        "link_base_url": None,
        "link_source_id": None,
        "replaces": None,
        "given_name": "Ida Maj",
        "family_name": "Ångström",
        "names": [
            NAME_ROW | {"use": "official", "given_name": "Ida Maj", "family_name": "Ångström"}
        ],
        "birth_date": "1956-08-03",
        "birth_date_precision": "day",
        "sex": "female",
        "gender_identity": "Identifies as female",
        "race": "White, Asian",
        "ethnicity": None,
        "language": "sv",
        "phone": "555-1",
        "email": "i@x.se",
        "address": {
            "line": "1 High St, Flat 2",
            "city": "Ely",
            "state": None,
            "postal_code": "CB7",
            "country": None,
        },
        "deceased": False,
        "deceased_at": None,
        "deceased_on": None,
        "deceased_precision": None,
        "deceased_zone": None,
        "date_problem": None,
        "impossible_dates": None,
        "active": True,
        "entered_in_error": False,
    }


def test_the_resource_id_replaces_a_missing_mrn() -> None:
    row = translate({"resourceType": "Patient", "id": "p2"})

    assert isinstance(row, dict)
    assert {key: value for key, value in row.items() if value not in (None, False, [])} == {
        "source_id": "p2",
        "mrn": "p2",
        "active": True,
    }


@pytest.mark.parametrize(
    ("identifiers", "mrn"),
    [
        ([{"value": "first"}, {"type": {"text": "MRN"}, "value": "second"}], "second"),
        ([{"use": "old", "value": "old"}, {"value": "new"}], "new"),
        ([{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "9"}, {"value": "x"}], "x"),
        ([{"type": concept(None, "DL"), "value": "9"}], "p1"),
        (
            [
                {"type": concept(None, "MR"), "period": {"end": "2020"}, "value": "ended"},
                {"type": concept(None, "MR"), "value": "plain"},
                {"type": concept(None, "MR"), "use": "official", "value": "official"},
            ],
            "official",
        ),
    ],
)
def test_record_number_is_chosen(identifiers: list[dict[str, Any]], mrn: str) -> None:
    assert translate_patient(identifier=identifiers)["mrn"] == mrn


def test_record_number_is_never_cut() -> None:
    error = fault_of(PATIENT, identifier=[{"value": "9" * 129}])

    assert error.reason == "Patient.identifier.value is longer than 128 characters."
    assert error.pointer == "/identifier/value"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([{"use": "maiden", "family": "A"}, {"family": "B"}], (None, "B")),
        ([{"family": "A"}, {"use": "usual", "family": "B", "given": ["C"]}], ("C", "B")),
        ([{"use": "old", "family": "A"}], (None, "A")),
        ([{"text": "Ida Berg"}], (None, "Ida Berg")),
        ({"family": ["van", "Dyk"], "given": "Jo"}, ("Jo", "van Dyk")),
        ([{"family": "x" * 300}], (None, "x" * 200)),
    ],
)
def test_name_is_chosen(names: object, expected: tuple[str | None, str | None]) -> None:
    row = translate_patient(name=names)

    assert (row["given_name"], row["family_name"]) == expected


def test_every_name_is_kept() -> None:
    row = translate_patient(
        name=[
            {"use": "maiden", "family": "Früh", "period": {"end": "2010-05"}},
            {"text": "Ida Berg"},
            {"use": "official", "prefix": ["Dr"]},
            "no name",
        ]
    )

    assert row["names"] == [
        NAME_ROW
        | {"use": "maiden", "given_name": None, "family_name": "Früh", "period_end": "2010-05"},
        NAME_ROW | {"given_name": None, "family_name": None, "full_name": "Ida Berg"},
    ]


@pytest.mark.parametrize(
    ("birth_date", "expected"),
    [
        ("1956", ("1956-01-01", "year")),
        ("1956-08", ("1956-08-01", "month")),
        ("1956-08-03T00:00:00Z", ("1956-08-03", "day")),
        ("1956-08-03T00:00:00+14:00", ("1956-08-03", "day")),
        ("1956-08-03T23:30:00-11:00", ("1956-08-03", "day")),
        (None, (None, None)),
    ],
)
def test_birth_date_keeps_its_precision(birth_date: object, expected: tuple[str, str]) -> None:
    row = translate_patient(birthDate=birth_date)

    assert (row["birth_date"], row["birth_date_precision"]) == expected


@pytest.mark.parametrize(
    "birth_date", ["0000-00-00", "1956-13-01", "1956-02-30", "03/08/1956", 19560803, [], "19560803"]
)
def test_an_invalid_date_is_left_out(birth_date: object) -> None:
    error = fault_of(PATIENT, birthDate=birth_date)

    assert (error.reason, error.pointer) == ("Patient.birthDate is not a date.", "/birthDate")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"deceasedBoolean": True}, (True, None)),
        ({"deceasedBoolean": False}, (False, None)),
        ({"deceasedDateTime": "2020"}, (True, "2020-01-01T00:00:00Z")),
    ],
)
def test_death_is_read(changes: dict[str, Any], expected: tuple[bool, str | None]) -> None:
    row = translate_patient(**changes)

    assert (row["deceased"], row["deceased_at"]) == expected


def test_a_boolean_in_a_string_is_read_and_named() -> None:
    error = fault_of(PATIENT, deceasedBoolean="false")

    assert error.reason == "Patient.deceasedBoolean is not true or false."


@pytest.mark.parametrize(
    "extension",
    [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/patient-genderIdentity",
            "valueCodeableConcept": {"text": "non-binary"},
        },
        {
            "url": "http://hl7.org/fhir/StructureDefinition/individual-genderIdentity",
            "extension": [{"url": "value", "valueCodeableConcept": {"text": "non-binary"}}],
        },
    ],
)
def test_older_and_newer_gender_identity(extension: dict[str, Any]) -> None:
    assert translate_patient(extension=[extension])["gender_identity"] == "non-binary"


def _located(**parts: Any) -> list[dict[str, Any]]:
    extension = [{"url": name, "valueDecimal": value} for name, value in parts.items()]
    return [{"extension": [{"url": GEOLOCATION, "extension": extension}]}]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"latitude": 42.534202, "longitude": -70.969734}, (42.534202, -70.969734)),
        ({"longitude": -180, "latitude": 90}, (90.0, -180.0)),
        ({"latitude": "42.5", "longitude": "1e1"}, (42.5, 10.0)),
    ],
)
def test_where_an_address_is(parts: dict[str, Any], expected: tuple[float, float]) -> None:
    address = translate_patient(address=_located(**parts))["address"]

    assert (address["latitude"], address["longitude"]) == expected


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"latitude": 42.5},
        {"latitude": 90.1, "longitude": 0},
        {"latitude": 0, "longitude": 180.5},
        {"latitude": "north", "longitude": 0},
        {"latitude": True, "longitude": 0},
        {"latitude": None, "longitude": 0},
    ],
)
def test_a_place_that_is_none_is_named_and_left_out(parts: dict[str, Any]) -> None:
    address = [{**_located(**parts)[0], "city": "Ely"}]

    found = translate_patient(address=address)["address"]

    assert found == {**dict.fromkeys(ADDRESS_WIDTHS), "city": "Ely"}
    fault = fault_of(PATIENT, address=address)
    assert str(fault).startswith("Patient.address.extension(geolocation) is not")
