"""Write medications: requests, statements, administrations, dispenses, and what they refer to."""

from trially.exports.fhir.details import details_of, write_details
from trially.exports.fhir.dosages import bound_dosages
from trially.exports.fhir.elements import (
    ABSENT,
    Json,
    Row,
    concept,
    meta,
    present,
    required_code,
)
from trially.exports.fhir.facts import (
    begin,
    categories_of,
    code_of_fact,
    end_of,
    recorded_of,
    start_of,
    when_of,
)


def write_medication(row: Row) -> Json:
    """Return a Medication."""
    return present(
        {
            "resourceType": "Medication",
            "id": row["source_id"],
            "meta": meta(row),
            "code": concept(row["code_system"], row["code"], row["display"], row["other_codings"]),
        }
    )


def write_request(fact: Row) -> Json:
    """Return a MedicationRequest. Times that are not those of the request bound its dosage."""
    resource = begin(fact, "MedicationRequest", "subject")
    required_code(resource, "status", fact["status"])
    required_code(resource, "intent", fact["intent"])
    start, recorded = start_of(fact), recorded_of(fact)
    if recorded is not None and fact["start_at"] == fact["recorded_at"]:
        # The request is the start too, so it is written as precisely.
        start, recorded = None, start
    details = write_details(fact, "MedicationRequest")
    dosages = bound_dosages(details.pop("dosageInstruction", []), start, end_of(fact))
    return present(
        {
            **resource,
            "category": categories_of(fact),
            **_medication(fact),
            "authoredOn": recorded,
            "dosageInstruction": dosages,
            **details,
        }
    )


def write_statement(fact: Row) -> Json:
    """Return a MedicationStatement."""
    resource = begin(fact, "MedicationStatement", "subject", "context")
    required_code(resource, "status", fact["status"])
    return present(
        {
            **resource,
            "category": _first_category(fact),
            **_medication(fact),
            **when_of("effective", start_of(fact), end_of(fact)),
            "dateAsserted": recorded_of(fact),
            **write_details(fact, "MedicationStatement"),
        }
    )


def write_administration(fact: Row) -> Json:
    """Return a MedicationAdministration."""
    resource = begin(fact, "MedicationAdministration", "subject", "context")
    required_code(resource, "status", fact["status"])
    when = present(when_of("effective", start_of(fact), end_of(fact)))
    return present(
        {
            **resource,
            "category": _first_category(fact),
            **_medication(fact),
            **(when or {"_effectiveDateTime": ABSENT}),
            **write_details(fact, "MedicationAdministration"),
        }
    )


def write_dispense(fact: Row) -> Json:
    """Return a MedicationDispense."""
    resource = begin(fact, "MedicationDispense", "subject", "context")
    required_code(resource, "status", fact["status"])
    handed_over, prepared = start_of(fact), recorded_of(fact)
    if prepared is not None and fact["start_at"] == fact["recorded_at"]:
        handed_over, prepared = None, handed_over
    details = write_details(fact, "MedicationDispense")
    dosages = bound_dosages(details.pop("dosageInstruction", []), None, end_of(fact))
    return present(
        {
            **resource,
            "category": _first_category(fact),
            **_medication(fact),
            "whenPrepared": prepared,
            "whenHandedOver": handed_over,
            "dosageInstruction": dosages,
            **details,
        }
    )


def _medication(fact: Row) -> Json:
    """Return the medication of a fact. Its code is in a Medication if the fact refers to one."""
    source_id = fact["medication_source_id"]
    if source_id is not None:
        base, _, last = source_id.rpartition("/")
        link = f"{base}/{last}" if base else f"Medication/{last}"
        return {"medicationReference": present({"reference": link, "display": fact["display"]})}
    code = code_of_fact(fact)
    if code is None:
        return {"medicationCodeableConcept": ABSENT}
    return {"medicationCodeableConcept": code}


def _first_category(fact: Row) -> Json | None:
    categories = [] if details_of(fact).get("categories") else categories_of(fact)
    return categories[0] if categories else None
