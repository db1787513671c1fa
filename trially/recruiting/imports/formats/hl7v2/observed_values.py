"""Translate the value of an OBX segment to that of an Observation."""

import re
from typing import Any

from trially.recruiting.column_mappings.code_systems import UCUM
from trially.recruiting.imports.formats.hl7v2.data_types import concept_of, without_empty
from trially.recruiting.imports.formats.hl7v2.messages import (
    Repetition,
    Segment,
    part,
    written,
)
from trially.recruiting.imports.formats.hl7v2.times import Clock

Json = dict[str, Any]

TEXT_TYPES = frozenset({"", "ST", "TX", "FT", "VR"})
_CODED_TYPES = frozenset({"CE", "CWE", "CNE", "CF", "IS", "ID"})
_TIME_TYPES = frozenset({"DT", "TS", "DTM"})
_PLAIN_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_NUMBER = re.compile(rf"(<=|>=|<|>)?\s*({_PLAIN_NUMBER.pattern})", re.ASCII)
_CLOCK_TIME = re.compile(r"(\d\d)(\d\d)(\d\d)?(?:\.\d+)?(?:[+-]\d{4})?")
_RANGE = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(?:-|–|to)\s*([+-]?\d+(?:\.\d+)?)")  # noqa: RUF001
_INTERPRETATIONS = frozenset(
    "L H LL HH N A AA U D B W S R I MS VS POS NEG IND DET ND RR WR NR SDD SYN-S < >".split()  # noqa: SIM905
)
_INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


class ValueTypeError(Exception):
    """The value has a type that is not imported. The message continues a sentence."""


def translate_value(obx: Segment, clock: Clock) -> Json:
    """Return the elements of an Observation that hold the value. Raises `ValueTypeError`."""
    kind, values = (obx.text(2) or "").upper(), obx.repetitions(5)
    if not values:
        return {}
    if kind == "NM":
        return _number(written(values[0]), obx) or {"valueString": written(values[0])}
    if kind == "SN":
        return _structured_number(values[0], obx)
    if kind in TEXT_TYPES:
        return _text(obx)
    if kind in _CODED_TYPES:
        return _coded(values)
    if kind in _TIME_TYPES:
        time = clock.read(written(values[0]))
        return {"valueDateTime": time} if time else {"valueString": written(values[0])}
    if kind == "TM":
        return _clock_time(written(values[0]))
    # The name of a type may be any text, so only those of the standard are repeated.
    name = f" {kind}" if kind in ("ED", "RP", "CX", "XPN", "XAD", "XTN", "CP", "XCN", "NA") else ""
    raise ValueTypeError(f"has a value of a type{name} that is not imported")


def read_text(obx: Segment) -> str:
    """Return the text of a value, with a line for each repetition."""
    return "\n".join(written(value) for value in obx.repetitions(5))


def unit_of(obx: Segment) -> Json:
    """Return the unit of a value: its name, and its code in UCUM."""
    for unit in obx.repetitions(6):
        code, text, system = (part(unit, position) for position in (1, 2, 3))
        if (system or "").upper() == "UCUM":
            return without_empty({"unit": text or code, "system": UCUM, "code": code})
        return without_empty({"unit": code or text})
    return {}


def reference_range_of(obx: Segment) -> list[Json] | None:
    """Return the reference range, with its limits if they are numbers."""
    text = " ".join(written(each) for each in obx.repetitions(7))
    if not text:
        return None
    limits: Json = {}
    if match := _RANGE.fullmatch(text):
        limits = {"low": match[1], "high": match[2]}
    elif (match := _NUMBER.fullmatch(text)) and match[1]:
        limits = {"high" if match[1].startswith("<") else "low": match[2]}
    quantities: Json = {
        name: {"value": to_number(number), **unit_of(obx)} for name, number in limits.items()
    }
    return [{**quantities, "text": text}]


def interpretations_of(obx: Segment) -> list[Json]:
    """Return the abnormal flags."""
    found: list[Json] = []
    for flag in obx.repetitions(8):
        code, text = part(flag, 1), part(flag, 2)
        if code in _INTERPRETATIONS:
            coding = [without_empty({"system": _INTERPRETATION, "code": code, "display": text})]
            found.append({"coding": coding})
        elif code or text:
            found.append({"text": text or code})
    return found


def to_number(text: str) -> int | float:
    """Return a number that `_NUMBER` matches."""
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)


def _number(text: str, obx: Segment) -> Json | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    return _quantity(match[1], match[2], obx)


def _quantity(comparator: str | None, number: str, obx: Segment) -> Json:
    value = {"value": to_number(number), "comparator": comparator, **unit_of(obx)}
    return {"valueQuantity": without_empty(value)}


def _structured_number(value: Repetition, obx: Segment) -> Json:
    comparator, first, separator, second = (part(value, position) for position in range(1, 5))
    is_comparator = comparator in ("<", "<=", ">", ">=")
    numbers = [text for text in (first, second) if text]
    if all(_PLAIN_NUMBER.fullmatch(text) for text in numbers) and first:
        if second is None and separator is None and (is_comparator or comparator in (None, "=")):
            return _quantity(comparator if is_comparator else None, first, obx)
        if second and separator == "-" and comparator is None:
            unit = unit_of(obx)
            return {
                "valueRange": {
                    "low": {"value": to_number(first), **unit},
                    "high": {"value": to_number(second), **unit},
                }
            }
    texts = (comparator, first, separator, second)
    return {"valueString": "".join(text for text in texts if text)}


def _text(obx: Segment) -> Json:
    """Return a text. A text that is a number and has a unit is a quantity."""
    text = read_text(obx)
    quantity = _number(text, obx) if obx.repetitions(6) else None
    return quantity or {"valueString": text}


def _coded(values: list[Repetition]) -> Json:
    concepts = [concept for value in values if (concept := concept_of(value))]
    if not concepts:
        return {}
    if len(concepts) == 1:
        return {"valueCodeableConcept": concepts[0]}
    return {"component": [{"valueCodeableConcept": concept} for concept in concepts]}


def _clock_time(text: str) -> Json:
    match = _CLOCK_TIME.fullmatch(text)
    if match is None:
        return {"valueString": text}
    return {"valueTime": f"{match[1]}:{match[2]}:{match[3] or '00'}"}
