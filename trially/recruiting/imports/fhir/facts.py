"""Translate conditions, allergies, procedures, immunizations and encounters to facts."""

from trially.recruiting.imports.fhir.codings import (
    CVX,
    SNOMED,
    read_category,
    read_concept,
    read_status,
    require_concept,
)
from trially.recruiting.imports.fhir.fact_parts import (
    begin_fact,
    read_recorded,
    read_when,
    set_clinical_statuses,
    set_code,
    set_dates,
    set_status,
)
from trially.recruiting.imports.fhir.rows import FactRow
from trially.recruiting.imports.fhir.values import (
    Json,
    read_code,
    read_date,
    read_objects,
    read_period,
)
from trially.recruiting.records.model import RecordType


def translate_condition(resource: Json) -> list[FactRow]:
    """Return a Condition's fact. The date of recording never replaces a missing onset."""
    fact = begin_fact(resource, RecordType.CONDITION, "subject")
    set_code(fact, require_concept(resource.get("code"), SNOMED, "Condition.code"))
    set_clinical_statuses(fact, resource)
    onset, _ = read_when(resource, "onset")
    abatement_start, abatement_end = read_when(resource, "abatement")
    set_dates(fact, (onset, abatement_end if abatement_end[0] else abatement_start))
    fact["category"] = read_category(resource, "Condition.category")
    fact["recorded_at"] = read_recorded(resource, "recordedDate", "assertedDate")
    return [fact]


def translate_allergy(resource: Json) -> list[FactRow]:
    """Return an AllergyIntolerance's fact."""
    fact = begin_fact(resource, RecordType.ALLERGY, "patient")
    set_code(fact, require_concept(resource.get("code"), SNOMED, "AllergyIntolerance.code"))
    set_clinical_statuses(fact, resource)
    fact["start_at"], fact["start_precision"] = read_when(resource, "onset")[0]
    categories = resource.get("category")
    category = categories[0] if type(categories) is list and categories else None
    fact["category"] = read_status(category, "AllergyIntolerance.category")
    fact["criticality"] = read_code(resource.get("criticality"), "AllergyIntolerance.criticality")
    fact["recorded_at"] = read_recorded(resource, "recordedDate", "assertedDate")
    return [fact]


def translate_procedure(resource: Json) -> list[FactRow]:
    """Return a Procedure's fact."""
    fact = begin_fact(resource, RecordType.PROCEDURE, "subject")
    set_code(fact, require_concept(resource.get("code"), SNOMED, "Procedure.code"))
    set_status(fact, resource)
    set_dates(fact, read_when(resource, "performed"))
    fact["category"] = read_category(resource, "Procedure.category")
    return [fact]


def translate_immunization(resource: Json) -> list[FactRow]:
    """Return an Immunization's fact."""
    fact = begin_fact(resource, RecordType.IMMUNIZATION, "patient")
    set_code(fact, require_concept(resource.get("vaccineCode"), CVX, "Immunization.vaccineCode"))
    set_status(fact, resource)
    start, end = read_when(resource, "occurrence")
    if start[0] is None:
        start = read_date(resource, "date", "Immunization")  # the element's name before FHIR R4
    set_dates(fact, (start, end))
    fact["recorded_at"] = read_recorded(resource, "recorded")
    return [fact]


def translate_encounter(resource: Json) -> list[FactRow]:
    """Return an Encounter's fact. Its category is the class of the encounter."""
    fact = begin_fact(resource, RecordType.ENCOUNTER, "subject")
    for kind in read_objects(resource.get("type")):
        concept = read_concept(kind, SNOMED, "Encounter.type")
        if concept is not None:
            set_code(fact, concept)
            break
    set_status(fact, resource)
    for encounter_class in read_objects(resource.get("class")):
        fact["category"] = read_code(encounter_class.get("code"), "Encounter.class.code")
    set_dates(fact, read_period(resource, "period", "Encounter"))
    return [fact]
