"""Read the value of an Observation, or of one of its components."""

import re
import sys
from decimal import Decimal
from typing import NamedTuple

from trially.recruiting.imports.exact_numbers import as_written
from trially.recruiting.imports.fhir.codings import (
    UCUM,
    describe_concept,
    read_concept,
    read_system,
)
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import (
    LONGEST_CODE,
    LONGEST_DISPLAY,
    LONGEST_VALUE_TEXT,
    ConceptRow,
    Number,
)
from trially.recruiting.imports.fhir.values import (
    Json,
    is_clean,
    is_number,
    read_code,
    read_flag,
    read_long_text,
    read_object,
    read_text,
    unlisted,
    write_number,
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


_VALUES = _OTHER_VALUES | {"valueQuantity", "valueCodeableConcept"}


class Value(NamedTuple):
    """A number with its unit, a code, or text. All are None if there is no value."""

    number: Number | None = None
    unit: str | None = None
    comparator: str | None = None
    code_system: str | None = None
    code: str | None = None
    text: str | None = None
    concept: ConceptRow | None = None
    """The whole concept, if the code and the text do not say all of it."""


NO_VALUE = Value()


def read_value(holder: Json, where: str, reading: Reading) -> Value:
    """Return the value of an Observation or a component. Of several, one is read."""
    if len(_VALUES & holder.keys()) > 1:
        given = [name for name in _VALUES & holder.keys() if holder[name] is not None]
        if len(given) > 1:
            reading.lose(f"{where}.value", "is given in several forms, of which one is read")
    quantity = holder.get("valueQuantity")
    if quantity is not None:
        return _read_quantity(quantity, f"{where}.valueQuantity", reading)
    concept = holder.get("valueCodeableConcept")
    if concept is not None:
        return _read_coded_value(concept, f"{where}.valueCodeableConcept", reading)
    return _read_other_value(holder, where, reading)


def _read_quantity(quantity: object, where: str, reading: Reading) -> Value:
    """Return a quantity. With a comparator of another meaning it is text, and not a number."""
    quantity = unlisted(quantity)
    if type(quantity) is not dict:
        reading.lose(where, "is not an object")
        return NO_VALUE
    value = quantity.get("value")
    number = read_number(value, f"{where}.value", reading)
    unit = _read_unit(quantity, where, reading)
    comparator = quantity.get("comparator")
    if comparator is None and number is None and type(value) is str:  # such as "<5"
        words = None if value in _NO_NUMBERS else read_text(value, LONGEST_CODE)
        return Value(unit=unit) if words is None else Value(text=f"{words} {unit or ''}".strip())
    if comparator is not None and (type(comparator) is not str or comparator not in COMPARATORS):
        sign = _read_comparator(comparator)
        if sign in COMPARATORS:
            return Value(number, unit, sign)
        reading.lose(f"{where}.comparator", "is not one of <, <=, >=, >")
        parts = [sign, None if number is None else str(number), unit]
        return Value(text=" ".join(part for part in parts if part))
    return Value(number, unit, comparator)


def _read_comparator(value: object) -> str:
    """Return a comparator in FHIR's spelling, or a question mark for what cannot be read."""
    sign = read_text(unlisted(value), LONGEST_CODE) or "?"
    return _SIGNS.get(sign, sign)


_NO_NUMBERS = frozenset({"", "NaN", "Infinity", "-Infinity"})
_SIGNS = {"\u2264": "<=", "\u2265": ">=", "=<": "<=", "=>": ">="}


def _read_unit(quantity: Json, where: str, reading: Reading) -> str | None:
    """Return the UCUM code of a unit, or else its name."""
    code: str | None = quantity.get("code")
    if code is not None and not is_clean(code, LONGEST_CODE):
        code = read_code(code, f"{where}.code", reading)
    if code is not None:
        system = quantity.get("system")
        if system != UCUM:
            system = read_system(system, f"{where}.system", reading)
        if system is None or system == UCUM:
            return code
    unit = quantity.get("unit")
    if unit is not None and type(unit) is not str:
        reading.lose(f"{where}.unit", "is not a string")
    return read_text(unit, LONGEST_CODE) or code


def read_number(value: object, where: str, reading: Reading) -> Number | None:
    """Return a number. A decimal in a string counts as a number, as some sources send strings."""
    if value is None or (type(value) is float and abs(value) <= sys.float_info.max):
        return value
    if type(value) is str and _DECIMAL.fullmatch(value.strip()):
        value = as_written(Decimal(value.strip()))
    if type(value) is int or type(value) is float:
        if abs(value) <= sys.float_info.max:
            return value if abs(value) <= LARGEST_INTEGER or type(value) is float else str(value)
        reading.lose(where, "is too large")
        return None
    if type(value) is Decimal:
        if abs(value.adjusted()) <= sys.float_info.max_10_exp:
            return write_number(value)
        reading.lose(where, "is too large" if value.adjusted() > 0 else "is too small")
        return None
    reading.lose(where, "is not a number")
    return None


def _read_coded_value(value: object, where: str, reading: Reading) -> Value:
    concept = read_concept(value, None, where, reading)
    if concept is None:
        return NO_VALUE
    text = read_text(read_object(value).get("text"), LONGEST_VALUE_TEXT) or concept.display
    whole = None
    if concept.others or (concept.text and concept.display):
        whole = describe_concept(value, where, reading)
    return Value(code_system=concept.system, code=concept.code, text=text, concept=whole)


def _read_other_value(holder: Json, where: str, reading: Reading) -> Value:
    names = _OTHER_VALUES & holder.keys()
    if not names:
        return NO_VALUE
    text = holder.get("valueString")
    if text is not None and type(text) is not str:
        reading.lose(f"{where}.valueString", "is not a string")
        text = write_number(text) if is_number(text) else None
    if text is not None:
        return Value(text=read_long_text(text, LONGEST_VALUE_TEXT, f"{where}.valueString", reading))
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
