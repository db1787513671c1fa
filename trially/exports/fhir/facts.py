"""Write conditions, allergies, procedures, immunizations and encounters."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

from trially.exports.fhir.details import details_of, write_details
from trially.exports.fhir.elements import (
    ABSENT,
    Json,
    Row,
    code_of,
    coding,
    concept,
    date_time,
    meta,
    present,
    reference,
    required_code,
    valid_date,
)
from trially.exports.fhir.quantities import age_of_duration, read_age, read_ages

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_DATES = re.compile(r"(\d{4}(?:-\d\d){0,2}|…) - (\d{4}(?:-\d\d){0,2})", re.ASCII)


def begin(fact: Row, kind: str, subject: str, encounter: str = "encounter") -> Json:
    """Return a resource with its id, version, patient and encounter."""
    return present(
        {
            "resourceType": kind,
            "id": fact["source_id"],
            "meta": meta(fact),
            subject: reference("Patient", fact["patient_source_id"], fact["patient_base_url"]),
            encounter: reference("Encounter", fact["encounter_source_id"]),
        }
    )


def code_of_fact(fact: Row) -> Json | None:
    """Return the CodeableConcept that a fact is about."""
    return concept(
        fact["code_system"],
        fact["code"],
        fact["display"],
        fact["other_codings"],
        details_of(fact).get("text"),
    )


def start_of(fact: Row) -> str | None:
    """Return the start of a fact as its source gave it."""
    return date_time(fact["start_at"], fact["start_precision"], fact["start_offset"])


def end_of(fact: Row) -> str | None:
    """Return the end of a fact as its source gave it."""
    return date_time(fact["end_at"], fact["end_precision"], fact["end_offset"])


def recorded_of(fact: Row) -> str | None:
    """Return when a fact was recorded. Its precision is not stored: midnight is a day."""
    at, offset = fact["recorded_at"], fact["recorded_offset"]
    is_day = at is not None and offset is None and at.astimezone(dt.UTC).time() == dt.time()
    return date_time(at, "day" if is_day else "instant", offset)


def when_of(stem: str, start: str | None, end: str | None) -> Json:
    """Return `<stem>Period` of a start and an end, or `<stem>DateTime` of a start alone."""
    if end is not None:
        return {f"{stem}Period": present({"start": start, "end": end})}
    return {f"{stem}DateTime": start}


def worded_when(stem: str, when: Json, age: str | None, words: str | None) -> Json:
    """Return when something happened, as an age or in words if that is how its source said it."""
    if words is None:
        has_date = any(value is not None for value in when.values())
        return when if has_date or age is None else {f"{stem}Age": age_of_duration(age)}
    if (read := read_age(words)) is not None:
        return {f"{stem}Age": read}
    if (ages := read_ages(words)) is not None:
        return {f"{stem}Range": ages}
    if match := _DATES.fullmatch(words):
        start = None if match[1] == "…" else match[1]
        return {f"{stem}Period": present({"start": valid_date(start), "end": valid_date(match[2])})}
    return {f"{stem}String": words}


def write_condition(fact: Row) -> Json:
    """Return a Condition."""
    details = details_of(fact)
    abated = worded_when(
        "abatement", {"abatementDateTime": end_of(fact)}, fact["end_age"], details.get("abatement")
    )
    onset = worded_when(
        "onset", {"onsetDateTime": start_of(fact)}, fact["start_age"], details.get("onset")
    )
    return present(
        {
            **begin(fact, "Condition", "subject"),
            **_clinical_statuses(fact, "condition-clinical", "condition-ver-status"),
            "category": categories_of(fact),
            "code": code_of_fact(fact),
            **onset,
            **abated,
            "recordedDate": recorded_of(fact),
            **write_details(fact, "Condition"),
        }
    )


def write_allergy(fact: Row) -> Json:
    """Return an AllergyIntolerance."""
    details = details_of(fact)
    category = code_of(fact["category"])
    return present(
        {
            **begin(fact, "AllergyIntolerance", "patient"),
            **_clinical_statuses(
                fact, "allergyintolerance-clinical", "allergyintolerance-verification"
            ),
            "category": [category] if category else None,
            "criticality": code_of(fact["criticality"]),
            "code": code_of_fact(fact),
            **worded_when(
                "onset", {"onsetDateTime": start_of(fact)}, fact["start_age"], details.get("onset")
            ),
            "recordedDate": recorded_of(fact),
            **write_details(fact, "AllergyIntolerance"),
        }
    )


def write_procedure(fact: Row) -> Json:
    """Return a Procedure."""
    resource = begin(fact, "Procedure", "subject")
    required_code(resource, "status", fact["status"])
    category = categories_of(fact)
    return present(
        {
            **resource,
            "category": category[0] if category else None,
            "code": code_of_fact(fact),
            **worded_when(
                "performed",
                when_of("performed", start_of(fact), end_of(fact)),
                fact["start_age"],
                details_of(fact).get("onset"),
            ),
            **write_details(fact, "Procedure"),
        }
    )


def write_immunization(fact: Row) -> Json:
    """Return an Immunization."""
    resource = begin(fact, "Immunization", "patient")
    required_code(resource, "status", fact["status"])
    given, words = start_of(fact), details_of(fact).get("onset")
    if given is None and words is None:
        resource["_occurrenceDateTime"] = ABSENT
    return present(
        {
            **resource,
            "vaccineCode": code_of_fact(fact) or ABSENT,
            "occurrenceDateTime": given if words is None else None,
            "occurrenceString": words,
            "recorded": recorded_of(fact),
            **write_details(fact, "Immunization"),
        }
    )


def write_encounter(fact: Row) -> Json:
    """Return an Encounter."""
    resource = begin(fact, "Encounter", "subject")
    required_code(resource, "status", fact["status"])
    kind = code_of_fact(fact)
    return present(
        {
            **resource,
            "class": coding(None, code_of(fact["category"])) or ABSENT,
            "type": [kind] if kind else None,
            "period": present({"start": start_of(fact), "end": end_of(fact)}),
            **write_details(fact, "Encounter"),
        }
    )


def categories_of(fact: Row) -> list[Json]:
    """Return the category of a fact, as a list of one."""
    return [{"coding": [coding(None, fact["category"])]}] if fact["category"] else []


def _clinical_statuses(fact: Row, clinical: str, verification: str) -> Json:
    return {
        "clinicalStatus": _status(f"{TERMINOLOGY}/{clinical}", fact["clinical_status"]),
        "verificationStatus": _status(f"{TERMINOLOGY}/{verification}", fact["verification_status"]),
    }


def _status(system: str, code: str | None) -> Json | None:
    return {"coding": [coding(system, code)]} if code else None


Write = Callable[[Any], Json]
