"""Parse untrusted JSON, and reject documents that parsers read differently.

If two parsers disagree about a document, a token can pass the check with one meaning and be used
with another.
"""

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 8
MAX_INTEGER_DIGITS = 18

_STRINGS_AND_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)


def read_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in `raw`, or raise `ValueError`."""
    text = raw.decode("utf-8")
    _refuse_deep_nesting(text)
    document = _DECODER.decode(text)
    if not isinstance(document, dict):
        raise ValueError("The document is not an object.")  # noqa: TRY004
    if "\\u" in text:
        # An escape can stand for a lone surrogate. Encoding it fails here, and not later elsewhere.
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    return document


def _refuse_deep_nesting(text: str) -> None:
    """Raise `ValueError` before the decoder recurses, so that it cannot exhaust the stack."""
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
        raise ValueError("A name appears twice in an object.")
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
