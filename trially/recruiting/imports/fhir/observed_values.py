"""Read the value of an Observation, or of one of its components."""

import math
import re
from typing import NamedTuple

from trially.recruiting.imports.fhir.codings import UCUM, read_concept, read_system
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import (
    LONGEST_CODE,
    LONGEST_DISPLAY,
    LONGEST_VALUE_TEXT,
)
from trially.recruiting.imports.fhir.values import (
    Json,
    is_clean,
    read_code,
    read_flag,
    read_object,
    read_text,
)

COMPARATORS = frozenset({"<", "<=", ">=", ">"})
LARGEST_INTEGER = 2**63 - 1

_DECIMAL = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_TEXTUAL_VALUES = ("valueDateTime", "valueTime", "valueInstant", "valueDate")
_NOT_KEPT = frozenset({"valueSampledData", "valueAttachment", "valueReference"})
_OTHER_VALUES = frozenset(
    {
        *("valueString", "valueBoolean", "valueInteger", "valueRange", "valueRatio", "valuePeriod"),
        *_TEXTUAL_VALUES,
        *_NOT_KEPT,
    }
)


class Value(NamedTuple):
    """A number with its unit, a code, or text. All are None if there is no value."""

    number: int | float | None = None
    unit: str | None = None
    comparator: str | None = None
    code_system: str | None = None
    code: str | None = None
    text: str | None = None


NO_VALUE = Value()


def read_value(holder: Json, where: str, reading: Reading) -> Value:
    """Return the value of an Observation or a component."""
    quantity = holder.get("valueQuantity")
    if quantity is not None:
        return _read_quantity(quantity, f"{where}.valueQuantity", reading)
    concept = holder.get("valueCodeableConcept")
    if concept is not None:
        return _read_coded_value(concept, f"{where}.valueCodeableConcept", reading)
    return _read_other_value(holder, where, reading)


def _read_quantity(quantity: object, where: str, reading: Reading) -> Value:
    """Return a quantity. With a comparator of another meaning it is text, and not a number."""
    if type(quantity) is not dict:
        reading.lose(where, "is not an object")
        return NO_VALUE
    number = read_number(quantity.get("value"), f"{where}.value", reading)
    unit = _read_unit(quantity, where, reading)
    comparator = quantity.get("comparator")
    if comparator is not None and (type(comparator) is not str or comparator not in COMPARATORS):
        reading.lose(f"{where}.comparator", "is not one of <, <=, >=, >")
        word = read_text(comparator, LONGEST_CODE)
        words = [word, None if number is None else str(number), unit]
        return Value(text=" ".join(part for part in words if part) or None)
    return Value(number, unit, comparator)


def _read_unit(quantity: Json, where: str, reading: Reading) -> str | None:
    """Return the UCUM code of a unit, or else its name."""
    code: str | None = quantity.get("code")
    if not is_clean(code, LONGEST_CODE):
        code = read_code(code, f"{where}.code", reading)
    if code is not None:
        system = quantity.get("system")
        if system != UCUM:
            system = read_system(system, f"{where}.system", reading)
        if system is None or system == UCUM:
            return code
    return read_text(quantity.get("unit"), LONGEST_CODE) or code


def read_number(value: object, where: str, reading: Reading) -> int | float | None:
    """Return a number. A decimal in a string counts as a number, as some sources send strings."""
    kind = type(value)
    if kind is float:
        if math.isfinite(value):  # type: ignore[arg-type]
            return value  # type: ignore[return-value]
        reading.lose(where, "is too large")
        return None
    if value is None:
        return None
    if kind is str and _DECIMAL.fullmatch(value.strip()):  # type: ignore[attr-defined]
        return read_number(float(value), where, reading)  # type: ignore[arg-type]
    if type(value) is int:
        if -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            return value
        return read_number(float(value) if value.bit_length() < 1_000 else math.inf, where, reading)
    reading.lose(where, "is not a number")
    return None


def _read_coded_value(value: object, where: str, reading: Reading) -> Value:
    concept = read_concept(value, None, where, reading)
    if concept is None:
        return NO_VALUE
    text = read_text(read_object(value).get("text"), LONGEST_VALUE_TEXT) or concept.display
    return Value(code_system=concept.system, code=concept.code, text=text)


def _read_other_value(holder: Json, where: str, reading: Reading) -> Value:
    names = _OTHER_VALUES & holder.keys()
    if not names:
        return NO_VALUE
    text = holder.get("valueString")
    if text is not None:
        return Value(text=read_text(text, LONGEST_VALUE_TEXT, keep_lines=True))
    flag = read_flag(holder.get("valueBoolean"), f"{where}.valueBoolean", reading)
    if flag is not None:
        return Value(code="true" if flag else "false")
    integer = holder.get("valueInteger")
    if integer is not None:
        return Value(number=read_number(integer, f"{where}.valueInteger", reading))
    for element in _TEXTUAL_VALUES:
        if holder.get(element) is not None:
            return Value(text=read_text(holder[element], LONGEST_VALUE_TEXT))
    for element in sorted(names & _NOT_KEPT):
        reading.lose(f"{where}.{element}", "is a kind of value that is not kept")
    return Value(text=_read_pair(holder, where, reading))


def _read_pair(holder: Json, where: str, reading: Reading) -> str | None:
    """Return a range, ratio or period as text: `5 - 7.5 mg`."""
    for element, first, joint, second in (
        ("valueRange", "low", " - ", "high"),
        ("valueRatio", "numerator", " : ", "denominator"),
        ("valuePeriod", "start", " - ", "end"),
    ):
        pair = holder.get(element)
        if type(pair) is dict:
            ends = [
                _write_end(pair.get(end), f"{where}.{element}.{end}", reading)
                for end in (first, second)
            ]
            return joint.join(end or "…" for end in ends) if any(ends) else None
    return None


def _write_end(value: object, where: str, reading: Reading) -> str | None:
    if type(value) is not dict:
        return read_text(value, LONGEST_DISPLAY)
    quantity = _read_quantity(value, where, reading)
    if quantity.number is None:
        return quantity.text
    return f"{quantity.comparator or ''}{quantity.number} {quantity.unit or ''}".strip()
