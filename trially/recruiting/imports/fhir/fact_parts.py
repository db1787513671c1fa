"""Set the columns that several types of facts share."""

from trially.recruiting.imports.fhir.codings import Coded, read_status
from trially.recruiting.imports.fhir.references import read_subject
from trially.recruiting.imports.fhir.rows import FactRow
from trially.recruiting.imports.fhir.values import (
    NO_DATE,
    Date,
    Json,
    find_reference,
    read_code,
    read_date,
    read_id,
    read_period,
)
from trially.recruiting.records.model import RecordType

ENTERED_IN_ERROR = "entered-in-error"


def begin_fact(resource: Json, kind: RecordType, subject: str) -> FactRow:
    """Return a fact with its type, patient, source and encounter only.

    `subject` is the name of the element that refers to the patient.
    """
    source_type = resource["resourceType"]
    where = f"{source_type}.{subject}"
    encounter = resource.get("encounter") or resource.get("context")
    return {
        "patient_source_id": read_subject(resource, subject, where),
        "type": kind.value,
        "source_type": source_type,
        "source_id": read_id(resource),
        "component": 0,
        "parent_code": None,
        "code_system": None,
        "code": None,
        "display": None,
        "other_codings": None,
        "category": None,
        "status": None,
        "clinical_status": None,
        "verification_status": None,
        "criticality": None,
        "start_at": None,
        "start_precision": None,
        "end_at": None,
        "end_precision": None,
        "recorded_at": None,
        "value_number": None,
        "value_code_system": None,
        "value_code": None,
        "value_text": None,
        "unit": None,
        "comparator": None,
        "encounter_source_id": find_reference(encounter, "Encounter", where),
        "medication_source_id": None,
        "entered_in_error": False,
    }


def set_code(fact: FactRow, concept: Coded) -> None:
    """Set the fact's code."""
    fact["code_system"], fact["code"], fact["display"], fact["other_codings"] = concept


def set_dates(fact: FactRow, dates: tuple[Date, Date]) -> None:
    """Set the start and the end."""
    (fact["start_at"], fact["start_precision"]), (fact["end_at"], fact["end_precision"]) = dates


def set_status(fact: FactRow, resource: Json) -> None:
    """Set the status, and whether the record was entered in error."""
    fact["status"] = read_code(resource.get("status"), f"{fact['source_type']}.status")
    fact["entered_in_error"] = fact["status"] == ENTERED_IN_ERROR


def set_clinical_statuses(fact: FactRow, resource: Json) -> None:
    """Set the clinical and the verification status, and whether it was entered in error."""
    where = fact["source_type"]
    fact["clinical_status"] = read_status(resource.get("clinicalStatus"), f"{where}.clinicalStatus")
    fact["verification_status"] = read_status(
        resource.get("verificationStatus"), f"{where}.verificationStatus"
    )
    fact["entered_in_error"] = fact["verification_status"] == ENTERED_IN_ERROR


def read_recorded(resource: Json, *elements: str) -> str | None:
    """Return the instant of the first of these elements that is present."""
    for element in elements:
        recorded_at, _ = read_date(resource, element, resource["resourceType"])
        if recorded_at is not None:
            return recorded_at
    return None


def read_when(resource: Json, stem: str) -> tuple[Date, Date]:
    """Return the start and end of an element that is a dateTime or a Period: `onset[x]`."""
    where = resource["resourceType"]
    start = read_date(resource, f"{stem}DateTime", where)
    if start[0] is not None:
        return start, NO_DATE
    return read_period(resource, f"{stem}Period", where)
