"""Find JSON objects that name a member twice. Parsers keep the last one, and say nothing."""

import json
from typing import Any

import orjson

_SPACES_BEFORE_COLON = (b" :", b"\t:", b"\r:", b"\n:")


def has_duplicate_members(text: bytes, value: Any) -> bool:
    """Return whether an object in a JSON text names a member twice.

    `value` is the text as orjson has parsed it, so the text is valid JSON. Most texts are decided
    without a second parser: the value lacks all but one of equal members, so it is written with
    fewer members than the text has.
    """
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError:  # it is nested deeper than orjson writes
        return _parse_again(text)
    if written == text:
        return False
    if b"\\" in text or any(each in text for each in _SPACES_BEFORE_COLON):
        return _parse_again(text)
    # Without escapes and spaces, `":` is the end of a name, or the start of a string that begins
    # with a colon. Both are the same in both texts, unless a member is missing.
    return text.count(b'":') != written.count(b'":')


class _DuplicateMemberError(Exception):
    """An object names a member twice."""


def _parse_again(text: bytes) -> bool:
    try:
        _DECODER.decode(text.decode())
    except _DuplicateMemberError:
        return True
    except RecursionError:  # nested deeper than this parser reads: nothing is certain
        return True
    return False


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _DuplicateMemberError


_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_duplicates)
