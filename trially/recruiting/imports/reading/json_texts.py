"""Parse the JSON text of one resource, so that a value that cannot be read costs only its element.

orjson reads what RFC 8259 allows and a computer can hold. Sources also write NaN, numbers that are
too large for a float, halves of surrogate pairs, and bare control characters in strings. Such a
text is parsed again by Python's own parser. Each of these values then has a form that the
translation leaves out as a fault: a string instead of a number, or a control character in a string.
"""

import json
import re
from typing import Any

import orjson

from trially.duplicate_members import has_duplicate_members
from trially.recruiting.imports.exact_numbers import parse_number, with_exact_numbers

_SURROGATE = re.compile("[\ud800-\udfff]")


class NotJsonError(ValueError):
    """A text is not JSON."""


class DuplicateMemberError(ValueError):
    """An object in a JSON text names a member twice."""


def parse_json(text: bytes) -> Any:
    """Return the value of a JSON text. Raises `NotJsonError` or `DuplicateMemberError`."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _parse_leniently(text)
    if has_duplicate_members(text, value):
        raise DuplicateMemberError
    return with_exact_numbers(text, value)


def _parse_leniently(text: bytes) -> Any:
    try:
        return _LENIENT.decode(text.decode())
    except DuplicateMemberError:
        raise
    except (ValueError, RecursionError) as error:
        raise NotJsonError from error


def _read_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = {_clean(name): _clean(value) for name, value in pairs}
    if len(members) != len(pairs):
        raise DuplicateMemberError
    return members


def _clean(value: Any) -> Any:
    """Return a value with a control character in place of each half of a surrogate pair."""
    if type(value) is str:
        return _SURROGATE.sub("\x00", value)
    return [_clean(item) for item in value] if type(value) is list else value


_LENIENT = json.JSONDecoder(
    object_pairs_hook=_read_members,
    parse_float=parse_number,
    parse_int=parse_number,
    parse_constant=str,
    strict=False,
)
