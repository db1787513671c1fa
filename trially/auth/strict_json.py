"""Read JSON that strangers wrote, in exactly one way.

Two readers that disagree about a document are how a token means one thing to whoever checks it
and another to whoever acts on it. Whatever can be read in two ways is therefore refused.
"""

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 8
MAX_INTEGER_DIGITS = 18

_STRINGS_AND_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)


def read_object(raw: bytes) -> dict[str, Any]:
    """Read a JSON object, or raise `ValueError`."""
    text = raw.decode("utf-8")
    _refuse_deep_nesting(text)
    document = _DECODER.decode(text)
    if not isinstance(document, dict):
        raise ValueError("The document is not an object.")  # noqa: TRY004
    if "\\u" in text:
        # A lone surrogate can be written as an escape, and fails wherever it is encoded later.
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    return document


def _refuse_deep_nesting(text: str) -> None:
    """Raise before the decoder recurses, so that the depth never depends on the stack left."""
    depth = 0
    for part in _STRINGS_AND_BRACKETS.findall(text):
        if part in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError("The document is nested too deeply.")
        elif part in "]}":
            depth -= 1


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("A member appears twice.")
    return members


def _read_integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError("A number is too long.")
    return int(digits)


def _read_number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("A number is too large.")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_refuse_duplicates,
    parse_int=_read_integer,
    parse_float=_read_number,
    parse_constant=_refuse_constant,
)
