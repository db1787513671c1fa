"""Set the columns that several types of facts share."""

from trially.recruiting.imports.fhir.codings import UNKNOWN, Coded, normal_status, read_status
from trially.recruiting.imports.fhir.dates import Date, read_date
from trially.recruiting.imports.fhir.details import set_details
from trially.recruiting.imports.fhir.plausibility import describe_problem, find_date_problem
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.references import read_subject
from trially.recruiting.imports.fhir.rows import LONGEST_CODE, FactRow
from trially.recruiting.imports.fhir.timings import When
from trially.recruiting.imports.fhir.values import (
    Json,
    find_reference,
    is_clean,
    read_code,
    read_id,
    unlisted,
)
from trially.recruiting.records.choices import NEGATIVE_STATUSES, RecordType

ENTERED_IN_ERROR = "entered-in-error"


def begin_fact(resource: Json, kind: RecordType, subject: str) -> FactRow:
    """Return a fact with its type, patient, source and encounter only.

    `subject` is the name of the element that refers to the patient.
    """
    source_type = resource["resourceType"]
    where = f"{source_type}.{subject}"
    fact: FactRow = {
        "patient_source_id": read_subject(resource, subject, where),
        "type": kind.value,
        "source_type": source_type,
        "source_id": read_id(resource),
        "component": 0,
        "negated": False,
        "entered_in_error": False,
    }
    # Of medications that were given, dispensed or stated, FHIR R4 calls the encounter the context.
    encounter = resource.get("encounter") or resource.get("context")
    if encounter is not None:
        fact["encounter_source_id"] = find_reference(encounter, "Encounter", where)
    return fact


def finish_fact(fact: FactRow, resource: Json, reading: Reading) -> None:
    """Set what depends on other columns, and the details of the resource."""
    if "start_at" in fact or "end_at" in fact or "recorded_at" in fact:
        problem = find_date_problem(fact, reading.today)
        if problem is not None:
            fact["date_problem"] = problem.value
            reading.lose(*describe_problem(fact, resource, problem))
    set_details(fact, resource, reading)


def set_code(fact: FactRow, concept: Coded | None) -> None:
    """Set the fact's code. The text beside a code is one of the details."""
    if concept is None:
        return
    fact["code_system"], fact["code"], fact["display"], others, text = concept
    if others is not None:
        fact["other_codings"] = others
    if text is not None:
        fact["details"] = {"text": text}


def set_start(fact: FactRow, start: Date) -> None:
    """Set the start, if it is known."""
    if start.at is not None:
        fact["start_at"], fact["start_precision"], offset, zone = start
        if offset is not None:
            fact["start_offset"] = offset
        if zone is not None:
            _set_zone(fact, zone, "start")


def set_end(fact: FactRow, end: Date) -> None:
    """Set the end, if it is known."""
    if end.at is not None:
        fact["end_at"], fact["end_precision"], offset, zone = end
        if offset is not None:
            fact["end_offset"] = offset
        if zone is not None:
            _set_zone(fact, zone, "end")


def set_when(fact: FactRow, when: When) -> None:
    """Set the start and the end, as dates or as ages."""
    set_start(fact, when.start)
    set_end(fact, when.end)
    if when.start_age is not None:
        fact["start_age"] = when.start_age
    if when.end_age is not None:
        fact["end_age"] = when.end_age


def set_status(fact: FactRow, resource: Json, reading: Reading) -> None:
    """Set the status, whether it says the opposite, and whether it was entered in error."""
    value = resource.get("status")
    if value is None:
        return
    if is_clean(value, LONGEST_CODE):
        status = normal_status(value)
    else:
        code = read_code(unlisted(value), f"{fact['source_type']}.status", reading)
        status = normal_status(code or UNKNOWN)
    fact["status"] = status
    if status == ENTERED_IN_ERROR:
        fact["entered_in_error"] = True
    elif status in NEGATIVE_STATUSES:
        fact["negated"] = True


def set_clinical_statuses(fact: FactRow, resource: Json, reading: Reading) -> None:
    """Set the clinical and the verification status, and whether it was entered in error."""
    where = fact["source_type"]
    fact["clinical_status"] = read_status(
        resource.get("clinicalStatus"), f"{where}.clinicalStatus", reading
    )
    fact["verification_status"] = read_status(
        resource.get("verificationStatus"), f"{where}.verificationStatus", reading
    )
    fact["entered_in_error"] = fact["verification_status"] == ENTERED_IN_ERROR


def set_recorded(fact: FactRow, resource: Json, element: str, reading: Reading) -> None:
    """Set when the fact was recorded."""
    if element in resource:
        recorded = read_date(resource, element, fact["source_type"], reading)
        if recorded.at is not None:
            fact["recorded_at"], _, offset, zone = recorded
            if offset is not None:
                fact["recorded_offset"] = offset
            if zone is not None:
                _set_zone(fact, zone, "recorded")


def _set_zone(fact: FactRow, zone: str, time: str) -> None:
    """Remember that a time of a fact has no offset of its own, and the zone it was read in."""
    fact["zone"] = zone
    times = fact.get("zoned_times")
    fact["zoned_times"] = f"{times} {time}" if times else time
