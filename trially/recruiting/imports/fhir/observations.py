"""Translate an Observation, and each of its components, to facts."""

from trially.recruiting.imports.fhir.codings import LOINC, read_category, require_concept
from trially.recruiting.imports.fhir.fact_parts import (
    begin_fact,
    read_recorded,
    read_when,
    set_code,
    set_dates,
    set_status,
)
from trially.recruiting.imports.fhir.observed_values import NO_VALUE, read_value
from trially.recruiting.imports.fhir.rows import FactRow, ResourceError
from trially.recruiting.imports.fhir.values import NO_DATE, Json, read_date
from trially.recruiting.records.model import RecordType

MOST_COMPONENTS = 1_000


def translate_observation(resource: Json) -> list[FactRow]:
    """Return an Observation's fact, followed by a fact for each of its components."""
    fact = begin_fact(resource, RecordType.OBSERVATION, "subject")
    set_code(fact, require_concept(resource.get("code"), LOINC, "Observation.code"))
    set_status(fact, resource)
    when = read_when(resource, "effective")
    if when[0][0] is None:
        instant = read_date(resource, "effectiveInstant", "Observation")
        when = (instant, NO_DATE) if instant[0] else when
    set_dates(fact, when)
    fact["recorded_at"] = read_recorded(resource, "issued")
    fact["category"] = read_category(resource, "Observation.category")
    components = resource.get("component")
    if components is None:
        _set_value(fact, resource, "Observation")
        return [fact]
    rows = _translate_components(components, fact)
    _set_value(fact, resource, "Observation")
    return [fact, *rows]


def _translate_components(components: object, parent: FactRow) -> list[FactRow]:
    """Return a fact for each component, with the date and category of the observation."""
    if type(components) is not list:
        raise ResourceError("Observation.component", "is not a list")
    if len(components) > MOST_COMPONENTS:
        raise ResourceError("Observation.component", f"has more than {MOST_COMPONENTS} items")
    rows = []
    for position, component in enumerate(components):
        where = f"Observation.component[{position}]"
        if type(component) is not dict:
            raise ResourceError(where, "is not an object")
        row = parent.copy()
        row["component"] = position + 1
        row["parent_code"] = parent["code"]
        set_code(row, require_concept(component.get("code"), LOINC, f"{where}.code"))
        _set_value(row, component, where)
        rows.append(row)
    return rows


def _set_value(fact: FactRow, holder: Json, where: str) -> None:
    value = read_value(holder, where)
    if value is NO_VALUE:
        return
    fact["value_number"] = value.number
    fact["unit"] = value.unit
    fact["comparator"] = value.comparator
    fact["value_code_system"] = value.code_system
    fact["value_code"] = value.code
    fact["value_text"] = value.text
