"""Objects that name a member twice are found, however the text is written."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Member
from trially.duplicate_members import has_duplicate_members


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"b":2,"a":3}',
        '{"a" : 1, "a"\t: 2}',
        '{"a"\n:1,"a":2}',
        '{"a":1,"\\u0061":2}',
        '{"a":"\\":","a":":"}',
        '{"a":":","a":2}',
        '[{"b":{"a":1,"c":[{"d":1,"d":2}]}}]',
        '{"a":{"x":1},"a":{"x":1}}',
        '{"":1,"":2}',
        '{"é":1,"é":2}',
    ],
)
def test_duplicates_are_found(text: str) -> None:
    raw = text.encode()

    assert has_duplicate_members(raw, orjson.loads(raw))


@pytest.mark.parametrize("depth", [100, 300, 900])
def test_deep_texts_are_decided_or_refused(depth: int) -> None:
    raw = b'{"a":' * depth + b'{"b":1,"b":2}' + b"}" * depth

    assert has_duplicate_members(raw, orjson.loads(raw))


NAMES = st.sampled_from(["a", "b", "é", '"', "\\", ":", '":', "\u2028", " "])
VALUES = st.recursive(
    st.none() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=4),
    max_leaves=12,
)


def write(value: Any, *, spaced: bool, escaped: bool) -> tuple[str, bool]:
    """Return a value as JSON, where lists of pairs are objects, and whether a name occurs twice."""
    if isinstance(value, list) and value and all(isinstance(each, tuple) for each in value):
        written = [(name, *write(each, spaced=spaced, escaped=escaped)) for name, each in value]
        members = (
            json.dumps(name, ensure_ascii=escaped) + (" : " if spaced else ":") + text
            for name, text, _ in written
        )
        is_twice = len({name for name, _ in value}) < len(value)
        return "{" + ",".join(members) + "}", is_twice or any(each[2] for each in written)
    if isinstance(value, list):
        items = [write(each, spaced=spaced, escaped=escaped) for each in value]
        return "[" + ",".join(text for text, _ in items) + "]", any(twice for _, twice in items)
    return json.dumps(value, ensure_ascii=escaped), False


@given(VALUES, st.booleans(), st.booleans())
def test_any_text_is_decided(value: Any, spaced: bool, escaped: bool) -> None:
    text, is_twice = write(value, spaced=spaced, escaped=escaped)
    raw = text.encode()

    assert has_duplicate_members(raw, orjson.loads(raw)) == is_twice


def test_a_body_with_a_duplicate_is_refused(shared_member: Member) -> None:
    answer = shared_member.post(
        "/sites", data=b'{"name":"A","name":"B"}', content_type="application/json"
    )

    assert (answer.status_code, answer.json["code"]) == (400, "malformed_json")
    assert answer.json["detail"] == "An object of the body names a member twice."
    assert shared_member.get("/sites").json["data"] == []
