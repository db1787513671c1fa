"""Translate an Observation, and each of its components, to facts."""

from trially.recruiting.imports.fhir.codings import (
    LOINC,
    Coded,
    read_category,
    read_concept,
    read_status,
)
from trially.recruiting.imports.fhir.details import set_details
from trially.recruiting.imports.fhir.fact_parts import (
    begin_fact,
    finish_fact,
    set_code,
    set_recorded,
    set_status,
    set_when,
)
from trially.recruiting.imports.fhir.observed_values import (
    NO_VALUE,
    Value,
    read_number,
    read_value,
)
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import (
    LONGEST_FOCUS,
    LONGEST_REFERENCE_TEXT,
    FactRow,
    ResourceError,
)
from trially.recruiting.imports.fhir.timings import read_when
from trially.recruiting.imports.fhir.values import (
    Json,
    find_target,
    read_object,
    read_objects,
    read_text,
)
from trially.recruiting.records.model import RecordType

MOST_COMPONENTS = 1_000


def translate_observation(resource: Json, reading: Reading) -> list[FactRow]:
    """Return an Observation's fact, followed by a fact for each of its components."""
    fact = begin_fact(resource, RecordType.OBSERVATION, "subject")
    code = read_concept(resource.get("code"), LOINC, "Observation.code", reading)
    if code is None:
        reading.lose("Observation.code", "is missing")
    set_status(fact, resource, reading)
    set_when(fact, read_when(resource, "effective", "Observation", reading))
    set_recorded(fact, resource, "issued", reading)
    fact["category"] = read_category(resource, "Observation.category", reading)
    if "focus" in resource:
        _set_focus(fact, resource)
    components = resource.get("component")
    # A component has the date and category of the observation, but its own code and value.
    shared = fact.copy() if components is not None else fact
    set_code(fact, code)
    _set_value(fact, resource, "Observation", reading)
    finish_fact(fact, resource, reading)
    if components is None:
        return [fact]
    if "date_problem" in fact:
        shared["date_problem"] = fact["date_problem"]
    return [fact, *_translate_components(components, shared, fact.get("code"), reading)]


def _translate_components(
    components: object, shared: FactRow, parent_code: str | None, reading: Reading
) -> list[FactRow]:
    """Return a fact for each component that has a code."""
    if type(components) is not list:
        reading.lose("Observation.component", "is not a list")
        return []
    if len(components) > MOST_COMPONENTS:
        raise ResourceError("Observation.component", f"has more than {MOST_COMPONENTS} items")
    rows = []
    for position, component in enumerate(components):
        where = f"Observation.component[{position}]"
        if type(component) is not dict:
            reading.lose(where, "is not an object")
            continue
        row = _translate_component(component, shared, where, reading)
        if row is not None:
            row["component"] = position + 1
            row["parent_code"] = parent_code
            rows.append(row)
    return rows


def _translate_component(
    component: Json, shared: FactRow, where: str, reading: Reading
) -> FactRow | None:
    faults = len(reading.faults)
    code: Coded | None = read_concept(component.get("code"), LOINC, f"{where}.code", reading)
    if code is None:
        if len(reading.faults) == faults:
            reading.lose(f"{where}.code", "is missing")
        return None
    row = shared.copy()
    set_code(row, code)
    _set_value(row, component, where, reading)
    set_details(row, component, reading)
    return row


def _set_value(fact: FactRow, holder: Json, where: str, reading: Reading) -> None:
    """Set the value, with the reference range and the interpretation that belong to it."""
    value = read_value(holder, where, reading)
    if value is not NO_VALUE:
        _set_columns(fact, value)
    if "referenceRange" in holder:
        _set_range(fact, read_objects(holder["referenceRange"]), where, reading)
    if "interpretation" in holder:
        interpretations = holder["interpretation"]
        first = (
            interpretations[0]
            if type(interpretations) is list and interpretations
            else interpretations
        )
        fact["interpretation"] = read_status(first or None, f"{where}.interpretation", reading)


def _set_columns(fact: FactRow, value: Value) -> None:
    number, unit, comparator, code_system, code, text = value
    if number is not None:
        fact["value_number"] = number
    if unit is not None:
        fact["unit"] = unit
    if comparator is not None:
        fact["comparator"] = comparator
    if code_system is not None:
        fact["value_code_system"] = code_system
    if code is not None:
        fact["value_code"] = code
    if text is not None:
        fact["value_text"] = text


def _set_range(fact: FactRow, ranges: list[Json], where: str, reading: Reading) -> None:
    """Set the reference range: the normal one, or else the first one.

    A range for other patients is not chosen; all ranges are among the details.
    """
    usable = [item for item in ranges if not item.get("appliesTo") and not item.get("age")]
    chosen = next((item for item in usable if _is_normal(item)), None)
    if chosen is None and len(ranges) == 1:
        chosen = ranges[0]
    if chosen is None:
        return
    for end in ("low", "high"):
        quantity = read_object(chosen.get(end))
        number = read_number(quantity.get("value"), f"{where}.referenceRange.{end}", reading)
        if number is not None:
            fact["reference_low" if end == "low" else "reference_high"] = number
    text = read_text(chosen.get("text"), LONGEST_REFERENCE_TEXT)
    if text is not None:
        fact["reference_text"] = text


def _is_normal(reference_range: Json) -> bool:
    kind = reference_range.get("type")
    if kind is None:
        return True
    return any(
        coding.get("code") == "normal" for coding in read_objects(read_object(kind).get("coding"))
    )


def _set_focus(fact: FactRow, resource: Json) -> None:
    """Set who or what the observation is about, unless that is the patient."""
    names = []
    for link in read_objects(resource["focus"]):
        kind, target_id = find_target(link)
        if kind == "Patient" and target_id == fact["patient_source_id"]:
            continue
        names.append(read_text(link.get("display"), LONGEST_FOCUS) or kind or "unknown")
    if names:
        fact["focus"] = ", ".join(names)[:LONGEST_FOCUS]
