"""Read the value of an Observation, or of one of its components."""

import math
import re
from typing import NamedTuple

from trially.recruiting.imports.fhir.codings import UCUM, read_concept, read_system
from trially.recruiting.imports.fhir.rows import (
    LONGEST_CODE,
    LONGEST_DISPLAY,
    LONGEST_VALUE_TEXT,
    ResourceError,
)
from trially.recruiting.imports.fhir.values import (
    Json,
    read_code,
    read_flag,
    read_object,
    read_text,
)

COMPARATORS = frozenset({"<", "<=", ">=", ">"})
LARGEST_INTEGER = 2**63 - 1

_DECIMAL = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_TEXTUAL_VALUES = ("valueDateTime", "valueTime", "valueInstant", "valueDate")


class Value(NamedTuple):
    """A number with its unit, a code, or text. All are None if there is no value."""

    number: int | float | None = None
    unit: str | None = None
    comparator: str | None = None
    code_system: str | None = None
    code: str | None = None
    text: str | None = None


NO_VALUE = Value()


def read_value(holder: Json, where: str) -> Value:
    """Return the value of an Observation or a component."""
    if holder.get("dataAbsentReason") is not None:
        return NO_VALUE
    quantity = holder.get("valueQuantity")
    if quantity is not None:
        return _read_quantity(quantity, f"{where}.valueQuantity")
    concept = holder.get("valueCodeableConcept")
    if concept is not None:
        return _read_coded_value(concept, f"{where}.valueCodeableConcept")
    return _read_other_value(holder, where)


def _read_quantity(quantity: object, where: str) -> Value:
    if type(quantity) is not dict:
        raise ResourceError(where, "is not an object")
    number = _read_number(quantity.get("value"), f"{where}.value")
    comparator = read_code(quantity.get("comparator"), f"{where}.comparator")
    if comparator is not None and comparator not in COMPARATORS:
        raise ResourceError(f"{where}.comparator", "is not one of <, <=, >=, >")
    return Value(number=number, unit=_read_unit(quantity, where), comparator=comparator)


def _read_unit(quantity: Json, where: str) -> str | None:
    """Return the UCUM code of a unit, or else its name."""
    code = read_code(quantity.get("code"), f"{where}.code")
    if code is not None:
        system = read_system(quantity.get("system"), f"{where}.system")
        if system is None or system == UCUM:
            return code
    return read_text(quantity.get("unit"), LONGEST_CODE) or code


def _read_number(value: object, where: str) -> int | float | None:
    """Return a number. A decimal in a string counts as a number, as some sources send strings."""
    if value is None:
        return None
    if type(value) is str and _DECIMAL.fullmatch(value.strip()):
        value = float(value)
    if type(value) is int:
        if -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            return value
        value = float(value) if value.bit_length() < 1_000 else math.inf
    if type(value) is not float:
        raise ResourceError(where, "is not a number")
    if not math.isfinite(value):
        raise ResourceError(where, "is too large")
    return value


def _read_coded_value(value: object, where: str) -> Value:
    concept = read_concept(value, None, where)
    if concept is None:
        return NO_VALUE
    text = read_text(read_object(value).get("text"), LONGEST_VALUE_TEXT) or concept.display
    return Value(code_system=concept.system, code=concept.code, text=text)


def _read_other_value(holder: Json, where: str) -> Value:
    text = holder.get("valueString")
    if text is not None:
        return Value(text=read_text(text, LONGEST_VALUE_TEXT, keep_lines=True))
    flag = read_flag(holder.get("valueBoolean"), f"{where}.valueBoolean")
    if flag is not None:
        return Value(code="true" if flag else "false")
    integer = holder.get("valueInteger")
    if integer is not None:
        return Value(number=_read_number(integer, f"{where}.valueInteger"))
    for element in _TEXTUAL_VALUES:
        if holder.get(element) is not None:
            return Value(text=read_text(holder[element], LONGEST_VALUE_TEXT))
    return Value(text=_read_pair(holder, where))


def _read_pair(holder: Json, where: str) -> str | None:
    """Return a range, ratio or period as text: `5 - 7.5 mg`."""
    for element, first, joint, second in (
        ("valueRange", "low", " - ", "high"),
        ("valueRatio", "numerator", " : ", "denominator"),
        ("valuePeriod", "start", " - ", "end"),
    ):
        pair = holder.get(element)
        if type(pair) is dict:
            ends = [
                _write_end(pair.get(end), f"{where}.{element}.{end}") for end in (first, second)
            ]
            return joint.join(end or "…" for end in ends) if any(ends) else None
    return None


def _write_end(value: object, where: str) -> str | None:
    if type(value) is not dict:
        return read_text(value, LONGEST_DISPLAY)
    quantity = _read_quantity(value, where)
    if quantity.number is None:
        return None
    return f"{quantity.comparator or ''}{quantity.number} {quantity.unit or ''}".strip()
