"""Translate an Observation, and each of its components, to facts."""

from trially.recruiting.imports.fhir.codings import (
    LOINC,
    UNKNOWN,
    Coded,
    read_category,
    read_concept,
    read_status,
)
from trially.recruiting.imports.fhir.detail_readers import describe_ranges
from trially.recruiting.imports.fhir.details import set_details
from trially.recruiting.imports.fhir.fact_parts import (
    begin_fact,
    finish_fact,
    set_code,
    set_recorded,
    set_status,
    set_when,
)
from trially.recruiting.imports.fhir.observed_values import NO_VALUE, Value, read_number, read_value
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
from trially.recruiting.records.choices import RecordType
from trially.recruiting.sources.server_urls import base_of

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
        _set_focus(fact, resource["focus"], reading)
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
    if type(components) is dict:
        components = [components]
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
        _set_range(fact, holder, where, reading)
    if "interpretation" in holder:
        interpretations = holder["interpretation"]
        first = (
            interpretations[0]
            if type(interpretations) is list and interpretations
            else interpretations
        )
        if type(first) is not dict or first.get("coding"):  # a text is one of the details
            fact["interpretation"] = read_status(first or None, f"{where}.interpretation", reading)


def _set_columns(fact: FactRow, value: Value) -> None:
    number, unit, comparator, code_system, code, text, concept = value
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
    if concept is not None:
        fact["details"] = {**(fact.get("details") or {}), "value": concept}


def _set_range(fact: FactRow, holder: Json, where: str, reading: Reading) -> None:
    """Set the reference range: the normal one, or else the only one.

    Of several ranges, one for some people is not chosen. All of them are among the details. So is a
    range in another unit than the value, which must not be compared with it.
    """
    ranges = read_objects(holder["referenceRange"])
    usable = [item for item in ranges if not item.get("appliesTo") and not item.get("age")]
    chosen = next((item for item in usable if _is_normal(item)), None)
    if chosen is None and len(ranges) == 1:
        chosen = ranges[0]
    if chosen is None:
        return
    if not _has_unit_of(read_object(holder.get("valueQuantity")), chosen):
        rows = describe_ranges([chosen], f"{where}.referenceRange", reading)
        fact["details"] = {**(fact.get("details") or {}), "reference_ranges": rows}
        return
    low, high = (
        read_number(
            read_object(chosen.get(end)).get("value"), f"{where}.referenceRange.{end}", reading
        )
        for end in ("low", "high")
    )
    if low is not None and high is not None and float(low) > float(high):
        reading.lose(f"{where}.referenceRange", "ends below its start, so it is not used")
        return
    if low is not None:
        fact["reference_low"] = low
    if high is not None:
        fact["reference_high"] = high
    text = read_text(chosen.get("text"), LONGEST_REFERENCE_TEXT)
    if text is not None:
        fact["reference_text"] = text


def _has_unit_of(value: Json, reference_range: Json) -> bool:
    """Return whether a range is in the unit of a value, as far as they name their units."""
    units = _units_of(value)
    for end in ("low", "high"):
        others = _units_of(read_object(reference_range.get(end)))
        if units and others and not units & others:
            return False
    return True


def _units_of(quantity: Json) -> set[str]:
    names = quantity.get("unit"), quantity.get("code")
    return {name for name in names if type(name) is str}


def _is_normal(reference_range: Json) -> bool:
    kind = reference_range.get("type")
    if kind is None:
        return True
    return any(
        coding.get("code") == "normal" for coding in read_objects(read_object(kind).get("coding"))
    )


def _set_focus(fact: FactRow, focus: object, reading: Reading) -> None:
    """Set who or what the observation is about, unless that is the patient.

    A focus that cannot be read may be somebody else.
    """
    names = []
    for link in focus if type(focus) is list else [focus]:
        if link is None:
            continue
        if type(link) is not dict:
            reading.lose("Observation.focus", "is not an object")
        elif _is_patient_of(fact, link):
            continue
        kind, _ = find_target(link)
        names.append(read_text(read_object(link).get("display"), LONGEST_FOCUS) or kind or UNKNOWN)
    if names:
        fact["focus"] = ", ".join(names)[:LONGEST_FOCUS]


def _is_patient_of(fact: FactRow, link: Json) -> bool:
    """Return whether a reference is to the patient of a fact, by the same kind of address."""
    reference = link.get("reference")
    if type(reference) is not str:
        return False
    base_url = base_of(reference, "Patient")
    kind, target_id = find_target(link)
    key = f"{base_url}/Patient/{target_id}" if base_url else target_id
    return kind == "Patient" and key == fact["patient_source_id"]
