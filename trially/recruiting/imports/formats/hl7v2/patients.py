"""Translate PID and MRG segments to Patients."""

from typing import Any, NamedTuple

from trially.recruiting.imports.formats.hl7v2.data_types import (
    addresses_of,
    contacts_of,
    first_concept,
    identifier_of,
    names_of,
    without_empty,
)
from trially.recruiting.imports.formats.hl7v2.messages import MessageError, Segment, part
from trially.recruiting.imports.formats.hl7v2.times import Clock
from trially.recruiting.imports.formats.resource_ids import patient_id_of

Json = dict[str, Any]

# HL7 v2 table 0203. Numbers of other types, such as social security numbers, identify no record.
_KEY_TYPES = ("MR", "PI", "PT", "PN", "EPI", "AN", "")
_SEXES = {
    "F": "female",
    "M": "male",
    "O": "other",
    "A": "other",
    "X": "other",
    "U": "unknown",
    "N": "unknown",
}
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
EARLIEST_VERSION = "1900-01-01T00:00:00Z"
"""Version of Patients from messages that need not hold the whole record."""


class RecordNumber(NamedTuple):
    """The number that identifies a patient's record."""

    id: str
    """The id of the Patient."""
    identifiers: list[Json]


def read_record_number(segment: Segment, *fields: int) -> RecordNumber:
    """Return the number in the first of the fields that has one. Raises `MessageError`."""
    identifiers = [
        identifier
        for field in fields
        for number in segment.repetitions(field)
        if "value" in (identifier := identifier_of(number))
    ]
    candidates = [each for each in identifiers if _type_of(each) in _KEY_TYPES]
    if not candidates:
        raise MessageError(f"{segment.name} has no number of a patient.", segment.line)
    chosen = min(candidates, key=_rank)
    return RecordNumber(patient_id_of(chosen.get("system"), chosen["value"]), identifiers)


def translate_pid(pid: Segment, number: RecordNumber, clock: Clock, faults: list[str]) -> Json:
    """Return the Patient of a PID segment. What cannot be read is left out, and is a fault."""
    birth = _read_time(pid, 7, clock, faults)
    died = _read_time(pid, 29, clock, faults)
    resource = {
        "resourceType": "Patient",
        "id": number.id,
        "identifier": number.identifiers,
        "name": names_of(pid.repetitions(5), "official") + names_of(pid.repetitions(9), "nickname"),
        "birthDate": birth[:10] if birth else None,
        "gender": _read_sex(pid, faults),
        "address": addresses_of(pid.repetitions(11)),
        "telecom": [
            *contacts_of(pid.repetitions(13), "home"),
            *contacts_of(pid.repetitions(40), "home"),
            *contacts_of(pid.repetitions(14), "work"),
        ],
        "communication": _communication(pid),
        "extension": _extensions(pid),
        "active": True,
    }
    indicator = (pid.text(30) or "").upper()
    if died:
        resource["deceasedDateTime"] = died
    elif indicator in ("Y", "N"):
        resource["deceasedBoolean"] = indicator == "Y"
    return without_empty(resource)


def translate_merge(patient: Json, old: RecordNumber) -> Json:
    """Return the Patient of a record number that another one replaces.

    Both are the same person, so it has the same name and birth date.
    """
    return {
        **patient,
        "id": old.id,
        "identifier": old.identifiers,
        "active": False,
        "link": [{"other": {"reference": f"Patient/{patient['id']}"}, "type": "replaced-by"}],
    }


def _rank(identifier: Json) -> tuple[bool, int, str]:
    """Return the rank of a number as the key of a record; the lowest one is the key.

    The order of authorities in a message has no meaning, so it must not change the key.
    """
    has_ended = "end" in identifier.get("period", {})
    return has_ended, _KEY_TYPES.index(_type_of(identifier)), identifier.get("system", "")


def _type_of(identifier: Json) -> str:
    codings = identifier.get("type", {}).get("coding", [{"code": ""}])
    return str(codings[0]["code"])


def _read_time(segment: Segment, field: int, clock: Clock, faults: list[str]) -> str | None:
    text = segment.text(field)
    time = clock.read(text) if text else None
    if text and time is None:
        faults.append(f"{segment.name}-{field} is not a time.")
    return time


def _read_sex(pid: Segment, faults: list[str]) -> str | None:
    text = pid.text(8)
    sex = _SEXES.get(text.upper()) if text else None
    if text and sex is None:
        faults.append("PID-8 is not a code of table 0001.")
    return sex


def _communication(pid: Segment) -> list[Json]:
    language = first_concept(pid.repetitions(15))
    return [{"language": language}] if language else []


def _extensions(pid: Segment) -> list[Json]:
    """Return the race and ethnicity as extensions of US Core."""
    extensions = []
    for name, field in (("race", 10), ("ethnicity", 22)):
        texts = [part(each, 2) or part(each, 1) for each in pid.repetitions(field)]
        if text := ", ".join(filter(None, texts)):
            extensions.append(
                {
                    "url": f"{_US_CORE}/us-core-{name}",
                    "extension": [{"url": "text", "valueString": text}],
                }
            )
    return extensions
