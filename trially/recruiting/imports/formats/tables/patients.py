"""Translate a row of a table of patients to a Patient."""

from typing import Any

from trially.geolocation import GEOLOCATION, MOST_DEGREES
from trially.recruiting.column_mappings.mapping import ColumnMapping
from trially.recruiting.imports.formats.tables.cells import Cells

Json = dict[str, Any]

_RECORD_NUMBER_TYPE = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]
}
# The numbers of ISO 5218 are not here: some hospitals use 1 and 2 the other way round.
_SEXES = {
    "f": "female",
    "female": "female",
    "w": "female",
    "weiblich": "female",
    "woman": "female",
    "m": "male",
    "male": "male",
    "männlich": "male",
    "maennlich": "male",
    "man": "male",
    "o": "other",
    "other": "other",
    "d": "other",
    "divers": "other",
    "u": "unknown",
    "unknown": "unknown",
    "unbekannt": "unknown",
}
FLAGS = {
    **dict.fromkeys(("1", "true", "t", "y", "yes", "ja", "j", "x"), "true"),
    **dict.fromkeys(("0", "false", "f", "n", "no", "nein"), "false"),
}


def translate_patient(cells: Cells, patient_id: str, number: str, mapping: ColumnMapping) -> Json:
    """Return the Patient of a row."""
    identifier = {"type": _RECORD_NUMBER_TYPE, "system": mapping.identifier_system, "value": number}
    resource: Json = {
        "resourceType": "Patient",
        "id": patient_id,
        "identifier": [_without_none(identifier)],
        "name": _names(cells),
        "birthDate": cells.date("birth_date", day_only=True),
        "gender": cells.word("sex", _SEXES),
        "telecom": [
            {"system": system, "value": value}
            for system in ("phone", "email")
            if (value := cells.text(system))
        ],
        "address": _addresses(cells),
        "active": _flag(cells, "active"),
    }
    if language := cells.text("language"):
        resource["communication"] = [
            {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": language}]}}
        ]
    if died := cells.date("death_date"):
        resource["deceasedDateTime"] = died
    else:
        resource["deceasedBoolean"] = _flag(cells, "deceased")
    if updated := cells.version():
        resource["meta"] = {"lastUpdated": updated}
    return {name: value for name, value in resource.items() if value not in (None, [])}


def _names(cells: Cells) -> list[Json]:
    given, family = cells.text("given_name"), cells.text("family_name")
    full = cells.text("name")
    if full and not given and not family:
        before, comma, after = full.partition(",")
        family, given = (before.strip(), after.strip()) if comma else (None, None)
    name = {
        "use": "official" if family or given else None,
        "family": family,
        "given": given.split() if given else None,
        "text": full,
    }
    names = [_without_none(name)] if family or given or full else []
    if birth_name := cells.text("birth_name"):
        names.append(
            _without_none(
                {"use": "maiden", "family": birth_name, "given": given.split() if given else None}
            )
        )
    return names


def _addresses(cells: Cells) -> list[Json]:
    line = cells.text("address")
    address = {
        "line": [part.strip() for part in line.splitlines() if part.strip()] if line else None,
        "city": cells.text("city"),
        "state": cells.text("state"),
        "postalCode": cells.number("postal_code"),
        "country": cells.text("country"),
        "extension": _places(cells),
    }
    return [_without_none(address)] if any(address.values()) else []


def _places(cells: Cells) -> list[Json] | None:
    """Return FHIR's extension for where an address is, if the row says it."""
    degrees = {
        name: cells.plain_number(name) for name in MOST_DEGREES if cells.text(name) is not None
    }
    if not degrees or None in degrees.values():
        return None
    parts = [{"url": name, "valueDecimal": value} for name, value in degrees.items()]
    return [{"url": GEOLOCATION, "extension": parts}]


def _flag(cells: Cells, field: str) -> bool | None:
    word = cells.word(field, FLAGS)
    return None if word is None else word == "true"


def _without_none(item: Json) -> Json:
    return {name: value for name, value in item.items() if value is not None}
