"""Keep numbers as JSON writes them: in FHIR, 1.10 is more precise than 1.1.

A number that neither a float nor a 64-bit integer keeps becomes a `Decimal`. Such numbers are
rare, so only a text that may have one is parsed a second time.
"""

import json
import re
from decimal import Decimal
from typing import Any

_NOT_KEPT = re.compile(rb'":\s*-?\d+(?:\.\d+0(?=[\s,}\]])|\.\d{18}|\d{18}|(?:\.\d+)?[eE])')
"""A number with a zero last, with an exponent, or with more digits than a float has."""

_LARGEST_INTEGER = 2**63 - 1
MOST_DIGITS = 100
"""Most characters of an exact number. A longer one is a float."""


def with_exact_numbers(text: bytes, value: Any) -> Any:
    """Return the value of a JSON text with exact numbers, given the value as orjson has parsed it.

    The numbers stay as they are in a text that Python's own parser does not read.
    """
    if _NOT_KEPT.search(text) is None:
        return value
    try:
        return json.loads(text, parse_float=parse_number, parse_int=parse_number)
    except (ValueError, RecursionError):
        return value


def as_written(number: Decimal | int) -> Decimal | float | int:
    """Return a number as an integer or a float, if that keeps it as it is written."""
    if type(number) is int and abs(number) <= _LARGEST_INTEGER:
        return number
    near, text = float(number), str(number)
    return near if repr(near) == text or len(text) > MOST_DIGITS else Decimal(number)


def parse_number(text: str) -> Decimal | float | int:
    """Return the number that a text of JSON writes."""
    if len(text) > MOST_DIGITS:
        return float(text)
    return as_written(int(text) if text.lstrip("-").isdigit() else Decimal(text))
