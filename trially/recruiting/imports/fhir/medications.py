"""Translate medication resources to facts and medications."""

from trially.recruiting.imports.fhir.codings import RXNORM, Coded, read_category, read_concept
from trially.recruiting.imports.fhir.dates import NO_DATE, Date, read_date, read_period
from trially.recruiting.imports.fhir.fact_parts import (
    ENTERED_IN_ERROR,
    begin_fact,
    finish_fact,
    set_code,
    set_end,
    set_recorded,
    set_start,
    set_status,
    set_when,
)
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import (
    LONGEST_DISPLAY,
    FactRow,
    IgnoredResource,
    MedicationRow,
)
from trially.recruiting.imports.fhir.timings import NEVER_SAID, read_bounds, read_when
from trially.recruiting.imports.fhir.values import (
    Json,
    find_reference,
    read_code,
    read_id,
    read_object,
    read_objects,
    read_text,
    require_flag,
)
from trially.recruiting.patients.choices import WithdrawalReason
from trially.recruiting.records.choices import RecordType


def translate_medication_request(
    resource: Json, reading: Reading
) -> list[FactRow] | IgnoredResource:
    """Return a MedicationRequest's fact. It starts with the dosage or, else, with the request."""
    where = "MedicationRequest"
    if require_flag(resource.get("doNotPerform"), f"{where}.doNotPerform", reading):
        return IgnoredResource("MedicationRequest (do not perform)", WithdrawalReason.NOT_PERFORMED)
    fact = begin_fact(resource, RecordType.MEDICATION, "subject")
    _set_medication(fact, resource, reading)
    set_status(fact, resource, reading)
    fact["intent"] = read_code(resource.get("intent"), f"{where}.intent", reading)
    fact["category"] = read_category(resource, f"{where}.category", reading)
    authored = read_date(resource, "authoredOn", where, reading)
    validity = read_period(
        read_object(resource.get("dispenseRequest")),
        "validityPeriod",
        f"{where}.dispenseRequest",
        reading,
    )
    bounds = read_period(resource, "effectiveDosePeriod", where, reading)
    if bounds == (NO_DATE, NO_DATE) and "dosageInstruction" in resource:
        dosages = resource["dosageInstruction"]
        bounds = read_bounds(dosages, f"{where}.dosageInstruction", reading)
    set_start(fact, _first_known(bounds[0], authored, validity[0]))
    set_end(fact, _first_known(bounds[1], validity[1]))
    if authored.at is not None:
        set_recorded(fact, resource, "authoredOn", reading)
    finish_fact(fact, resource, reading)
    return [fact]


def translate_medication_statement(resource: Json, reading: Reading) -> list[FactRow]:
    """Return a MedicationStatement's fact."""
    fact = begin_fact(resource, RecordType.MEDICATION, "subject")
    _set_medication(fact, resource, reading)
    set_status(fact, resource, reading)
    when = read_when(resource, "effective", "MedicationStatement", reading)
    if when is NEVER_SAID and "dosage" in resource:
        start, end = read_bounds(resource["dosage"], "MedicationStatement.dosage", reading)
        set_start(fact, start)
        set_end(fact, end)
    set_when(fact, when)
    set_recorded(fact, resource, "dateAsserted", reading)
    fact["category"] = read_category(resource, "MedicationStatement.category", reading)
    finish_fact(fact, resource, reading)
    return [fact]


def translate_administration(resource: Json, reading: Reading) -> list[FactRow]:
    """Return a MedicationAdministration's fact."""
    fact = begin_fact(resource, RecordType.MEDICATION, "subject")
    _set_medication(fact, resource, reading)
    set_status(fact, resource, reading)
    set_when(fact, read_when(resource, "effective", "MedicationAdministration", reading))
    fact["category"] = read_category(resource, "MedicationAdministration.category", reading)
    finish_fact(fact, resource, reading)
    return [fact]


def translate_dispense(resource: Json, reading: Reading) -> list[FactRow]:
    """Return a MedicationDispense's fact. It starts when the medication was handed over."""
    where = "MedicationDispense"
    fact = begin_fact(resource, RecordType.MEDICATION, "subject")
    _set_medication(fact, resource, reading)
    set_status(fact, resource, reading)
    handed_over = read_date(resource, "whenHandedOver", where, reading)
    prepared = read_date(resource, "whenPrepared", where, reading)
    bounds = read_bounds(resource.get("dosageInstruction"), f"{where}.dosageInstruction", reading)
    set_start(fact, _first_known(handed_over, prepared, bounds[0]))
    set_end(fact, bounds[1])
    if prepared.at is not None:
        set_recorded(fact, resource, "whenPrepared", reading)
    set_recorded(fact, resource, "recorded", reading)
    fact["category"] = read_category(resource, f"{where}.category", reading)
    finish_fact(fact, resource, reading)
    return [fact]


def translate_medication(resource: Json, reading: Reading) -> MedicationRow:
    """Return the row of a Medication."""
    concept = _read_drug(resource, reading)
    if concept is None:
        reading.lose("Medication.code", "is missing")
        concept = Coded(None, None, None, None)
    status = read_code(resource.get("status"), "Medication.status", reading)
    return {
        "source_id": read_id(resource),
        "code_system": concept.system,
        "code": concept.code,
        "display": concept.display,
        "other_codings": concept.others,
        "status": status,
        "entered_in_error": status == ENTERED_IN_ERROR,
    }


def _first_known(*dates: Date) -> Date:
    return next((date for date in dates if date.at is not None), NO_DATE)


def _set_medication(fact: FactRow, resource: Json, reading: Reading) -> None:
    """Set the medication's code, or the id of the Medication resource that holds the code."""
    source_type = fact["source_type"]
    value = resource.get("medicationCodeableConcept")
    where = f"{source_type}.medicationCodeableConcept"
    concept = read_concept(value, RXNORM, where, reading)
    reference = resource.get("medicationReference")
    if concept is not None:
        set_code(fact, concept)
    elif reference is not None:
        where = f"{source_type}.medicationReference"
        _set_referenced_medication(fact, resource, reference, where, reading)
    else:
        reading.lose(f"{source_type}.medication", "is missing")


def _set_referenced_medication(
    fact: FactRow, resource: Json, reference: object, where: str, reading: Reading
) -> None:
    link = read_object(reference)
    target = link.get("reference")
    display = read_text(link.get("display"), LONGEST_DISPLAY)
    if display is not None:
        fact["display"] = display
    if type(target) is str and target.startswith("#"):
        _set_contained(fact, resource, target[1:], where, reading)
    elif target is not None:
        found = find_reference(reference, "Medication", where)
        if found is not None:
            fact["medication_source_id"] = found
        else:
            reading.lose(where, "is not a reference to a Medication")
    elif display is None:
        _set_identified(fact, link, where, reading)


def _set_identified(fact: FactRow, link: Json, where: str, reading: Reading) -> None:
    """Set the identifier of a medication that is named by nothing else."""
    value = read_text(read_object(link.get("identifier")).get("value"), LONGEST_DISPLAY)
    if value is None:
        reading.lose(where, "has no reference and no display")
    else:
        fact["display"] = value


def _set_contained(
    fact: FactRow, resource: Json, contained_id: str, where: str, reading: Reading
) -> None:
    for contained in read_objects(resource.get("contained")):
        if contained.get("id") == contained_id:
            concept = _read_drug(contained, reading)
            if concept is None:
                reading.lose("Medication.code", "is missing")
            else:
                set_code(fact, concept)
            return
    reading.lose(where, "refers to a contained resource that does not exist")


def _read_drug(medication: Json, reading: Reading) -> Coded | None:
    """Return the code of a Medication, or else its ingredients: one code, or all names."""
    concept = read_concept(medication.get("code"), RXNORM, "Medication.code", reading)
    if concept is not None:
        return concept
    ingredients = [
        found
        for ingredient in read_objects(medication.get("ingredient"))
        if (found := _read_ingredient(ingredient, medication, reading)) is not None
    ]
    if len(ingredients) < 2:
        return ingredients[0] if ingredients else None
    names = " / ".join(found.display or found.code or "" for found in ingredients)
    # The code of one ingredient would be another medication: all codes are further codings.
    codings = [
        {"system": found.system, "code": found.code, "display": found.display}
        for found in ingredients
        if found.code is not None
    ]
    return Coded(None, None, names[:LONGEST_DISPLAY], codings or None)  # type: ignore[arg-type]


def _read_ingredient(ingredient: Json, medication: Json, reading: Reading) -> Coded | None:
    where = "Medication.ingredient.item"
    item = ingredient.get("itemCodeableConcept")
    link = read_object(ingredient.get("itemReference"))
    target = link.get("reference")
    if item is None and type(target) is str and target.startswith("#"):
        for contained in read_objects(medication.get("contained")):
            if contained.get("id") == target[1:]:
                item = contained.get("code")
    concept = read_concept(item, RXNORM, where, reading)
    if concept is not None:
        return concept
    name = read_text(link.get("display"), LONGEST_DISPLAY)
    return Coded(None, None, name, None) if name else None
