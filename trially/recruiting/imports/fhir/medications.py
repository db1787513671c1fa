"""Translate medication resources to facts and medications."""

from trially.recruiting.imports.fhir.codings import (
    RXNORM,
    Coded,
    read_category,
    read_concept,
    require_concept,
)
from trially.recruiting.imports.fhir.fact_parts import (
    ENTERED_IN_ERROR,
    begin_fact,
    read_recorded,
    read_when,
    set_code,
    set_dates,
    set_status,
)
from trially.recruiting.imports.fhir.rows import (
    LONGEST_DISPLAY,
    FactRow,
    IgnoredResource,
    MedicationRow,
    ResourceError,
)
from trially.recruiting.imports.fhir.values import (
    Json,
    read_code,
    read_date,
    read_flag,
    read_id,
    read_object,
    read_objects,
    read_period,
    read_reference,
    read_text,
)
from trially.recruiting.patients.model import WithdrawalReason
from trially.recruiting.records.model import RecordType


def translate_medication_request(resource: Json) -> list[FactRow] | IgnoredResource:
    """Return a MedicationRequest's fact. Its category is the intent of the request."""
    if read_flag(resource.get("doNotPerform"), "MedicationRequest.doNotPerform"):
        return IgnoredResource("MedicationRequest (do not perform)", WithdrawalReason.NOT_PERFORMED)
    fact = begin_fact(resource, RecordType.MEDICATION, "subject")
    _set_medication(fact, resource)
    set_status(fact, resource)
    authored = read_date(resource, "authoredOn", "MedicationRequest")
    _, end = read_period(
        read_object(resource.get("dispenseRequest")),
        "validityPeriod",
        "MedicationRequest.dispenseRequest",
    )
    set_dates(fact, (authored, end))
    fact["category"] = read_code(resource.get("intent"), "MedicationRequest.intent")
    return [fact]


def translate_medication_statement(resource: Json) -> list[FactRow]:
    """Return a MedicationStatement's fact."""
    fact = begin_fact(resource, RecordType.MEDICATION, "subject")
    _set_medication(fact, resource)
    set_status(fact, resource)
    set_dates(fact, read_when(resource, "effective"))
    fact["recorded_at"] = read_recorded(resource, "dateAsserted")
    fact["category"] = read_category(resource, "MedicationStatement.category")
    return [fact]


def translate_medication(resource: Json) -> MedicationRow:
    """Return the row of a Medication."""
    concept = require_concept(resource.get("code"), RXNORM, "Medication.code")
    status = read_code(resource.get("status"), "Medication.status")
    return {
        "source_id": read_id(resource),
        "code_system": concept.system,
        "code": concept.code,
        "display": concept.display,
        "other_codings": concept.others,
        "status": status,
        "entered_in_error": status == ENTERED_IN_ERROR,
    }


def _set_medication(fact: FactRow, resource: Json) -> None:
    """Set the medication's code, or the id of the Medication resource that holds the code."""
    source_type = fact["source_type"]
    concept = read_concept(
        resource.get("medicationCodeableConcept"),
        RXNORM,
        f"{source_type}.medicationCodeableConcept",
    )
    reference = resource.get("medicationReference")
    if concept is not None:
        set_code(fact, concept)
    elif reference is None:
        raise ResourceError(f"{source_type}.medication", "is missing")
    else:
        _set_referenced_medication(fact, resource, reference, f"{source_type}.medicationReference")


def _set_referenced_medication(
    fact: FactRow, resource: Json, reference: object, where: str
) -> None:
    link = read_object(reference)
    target = link.get("reference")
    fact["display"] = read_text(link.get("display"), LONGEST_DISPLAY)
    if type(target) is str and target.startswith("#"):
        set_code(fact, _read_contained(resource, target[1:], where))
    elif target is not None or fact["display"] is None:
        fact["medication_source_id"] = read_reference(reference, "Medication", where)


def _read_contained(resource: Json, contained_id: str, where: str) -> Coded:
    for contained in read_objects(resource.get("contained")):
        if contained.get("id") == contained_id:
            return require_concept(contained.get("code"), RXNORM, "Medication.code")
    raise ResourceError(where, "refers to a contained resource that does not exist")
