"""Translate conditions, allergies, procedures, immunizations and encounters to facts."""

import re

from trially.recruiting.imports.fhir.codings import (
    CVX,
    SNOMED,
    Coded,
    read_category,
    read_concept,
    read_status,
)
from trially.recruiting.imports.fhir.dates import read_period
from trially.recruiting.imports.fhir.fact_parts import (
    begin_fact,
    finish_fact,
    set_clinical_statuses,
    set_code,
    set_end,
    set_recorded,
    set_start,
    set_status,
    set_when,
)
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import FactRow
from trially.recruiting.imports.fhir.timings import When, read_when
from trially.recruiting.imports.fhir.values import Json, read_code, read_objects
from trially.recruiting.records.choices import RecordType

INACTIVE = "inactive"


def translate_condition(resource: Json, reading: Reading) -> list[FactRow]:
    """Return a Condition's fact. The date of recording never replaces a missing onset."""
    fact = begin_fact(resource, RecordType.CONDITION, "subject")
    set_code(fact, read_concept(resource.get("code"), SNOMED, "Condition.code", reading))
    set_clinical_statuses(fact, resource, reading)
    onset = read_when(resource, "onset", "Condition", reading)
    abatement = read_when(resource, "abatement", "Condition", reading)
    _set_onset(fact, onset)
    set_end(fact, abatement.end if abatement.end.at is not None else abatement.start)
    end_age = abatement.end_age or abatement.start_age
    if end_age is not None:
        fact["end_age"] = end_age
    _keep_words(fact, onset=onset, abatement=abatement)
    fact["category"] = read_category(resource, "Condition.category", reading)
    set_recorded(fact, resource, "recordedDate", reading)
    finish_fact(fact, resource, reading)
    if fact["clinical_status"] is None and _says_end(abatement) and _is_over(fact, reading):
        # FHIR: an abated condition is inactive, in remission or resolved, which are inactive too.
        fact["clinical_status"] = INACTIVE
    return [fact]


def translate_allergy(resource: Json, reading: Reading) -> list[FactRow]:
    """Return an AllergyIntolerance's fact."""
    fact = begin_fact(resource, RecordType.ALLERGY, "patient")
    set_code(fact, _read_allergen(resource, reading))
    set_clinical_statuses(fact, resource, reading)
    onset = read_when(resource, "onset", "AllergyIntolerance", reading)
    _set_onset(fact, onset)
    _keep_words(fact, onset=onset)
    categories = resource.get("category")
    category = categories[0] if type(categories) is list and categories else None
    fact["category"] = read_status(category, "AllergyIntolerance.category", reading)
    fact["criticality"] = read_code(
        resource.get("criticality"), "AllergyIntolerance.criticality", reading
    )
    set_recorded(fact, resource, "recordedDate", reading)
    finish_fact(fact, resource, reading)
    return [fact]


def translate_procedure(resource: Json, reading: Reading) -> list[FactRow]:
    """Return a Procedure's fact."""
    fact = begin_fact(resource, RecordType.PROCEDURE, "subject")
    set_code(fact, read_concept(resource.get("code"), SNOMED, "Procedure.code", reading))
    set_status(fact, resource, reading)
    performed = read_when(resource, "performed", "Procedure", reading)
    set_when(fact, performed)
    _keep_words(fact, onset=performed)
    fact["category"] = read_category(resource, "Procedure.category", reading)
    set_recorded(fact, resource, "recorded", reading)
    finish_fact(fact, resource, reading)
    return [fact]


def translate_immunization(resource: Json, reading: Reading) -> list[FactRow]:
    """Return an Immunization's fact."""
    fact = begin_fact(resource, RecordType.IMMUNIZATION, "patient")
    vaccine = read_concept(resource.get("vaccineCode"), CVX, "Immunization.vaccineCode", reading)
    if vaccine is None:
        reading.lose("Immunization.vaccineCode", "is missing")
    set_code(fact, vaccine)
    set_status(fact, resource, reading)
    given = read_when(resource, "occurrence", "Immunization", reading)
    set_when(fact, given)
    _keep_words(fact, onset=given)
    set_recorded(fact, resource, "recorded", reading)
    finish_fact(fact, resource, reading)
    return [fact]


def translate_encounter(resource: Json, reading: Reading) -> list[FactRow]:
    """Return an Encounter's fact. Its category is the class of the encounter."""
    fact = begin_fact(resource, RecordType.ENCOUNTER, "subject")
    for kind in read_objects(resource.get("type")):
        concept = read_concept(kind, SNOMED, "Encounter.type", reading)
        if concept is not None:
            set_code(fact, concept)
            break
    set_status(fact, resource, reading)
    for encounter_class in read_objects(resource.get("class")):
        fact["category"] = read_code(encounter_class.get("code"), "Encounter.class.code", reading)
    start, end = read_period(resource, "period", "Encounter", reading)
    set_start(fact, start)
    set_end(fact, end)
    finish_fact(fact, resource, reading)
    return [fact]


def _read_allergen(resource: Json, reading: Reading) -> Coded | None:
    """Return what the patient is allergic to. FHIR R4 also allows it in the reactions alone."""
    code = read_concept(resource.get("code"), SNOMED, "AllergyIntolerance.code", reading)
    for reaction in read_objects(resource.get("reaction")):
        if code is not None:
            break
        where = "AllergyIntolerance.reaction.substance"
        code = read_concept(reaction.get("substance"), SNOMED, where, reading)
    return code


def _set_onset(fact: FactRow, onset: When) -> None:
    """Set the start. The end of an onset is not the end of the fact, so it is kept in words."""
    set_start(fact, onset.start)
    if onset.start_age is not None:
        fact["start_age"] = onset.start_age
    if onset.end.at is not None:
        start = str(onset.start.day or "…")[: _KEPT.get(onset.start.precision or "", 10)]
        end = str(onset.end.day)[: _KEPT.get(onset.end.precision or "", 10)]
        fact["details"] = {**(fact.get("details") or {}), "onset": f"{start} - {end}"}


_KEPT = {"year": 4, "month": 7}
"""Characters of a day that are known."""


def _keep_words(fact: FactRow, **times: When) -> None:
    """Keep what a source says about a time if it is no date: an age, or words."""
    words = {name: when.text for name, when in times.items() if when.text is not None}
    if words:
        fact["details"] = {**(fact.get("details") or {}), **words}


_GOES_ON = re.compile(
    r"\b(?:no|none|not|never|ongoing|on-going|still|active|current(?:ly)?|unknown|n/?a|chronic"
    r"|unresolved|continu\w*|persist\w*|recurr\w*|relaps\w*)\b",
    re.IGNORECASE,
)
"""Words of an abatement that may say that the condition is not over."""


def _says_end(abatement: When) -> bool:
    """Return whether an abatement has a date or an age, or words that say no more than that."""
    if abatement.start.at or abatement.end.at or abatement.start_age or abatement.end_age:
        return True
    return abatement.text is not None and _GOES_ON.search(abatement.text) is None


def _is_over(fact: FactRow, reading: Reading) -> bool:
    """Return whether the end of a fact is not known to lie ahead."""
    end = fact.get("end_at")
    return end is None or end[:10] <= reading.today.isoformat()
