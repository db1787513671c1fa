"""Numbers are read as they are written, and a value that cannot be read costs only its element."""

import io
from decimal import Decimal
from typing import Any

import orjson
import pytest

from tests.recruiting.imports.reading.files import bundle, error_of, read
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.translating import translate
from trially.recruiting.imports.limits import UNLIMITED_INPUT
from trially.recruiting.imports.reading.entry_streams import stream_items
from trially.recruiting.imports.reading.json_texts import (
    DuplicateMemberError,
    NotJsonError,
    parse_json,
)

NUMBERS: list[tuple[str, Any]] = [
    ("1.10", Decimal("1.10")),
    ("1.0", 1.0),
    ("0.1", 0.1),
    ("7", 7),
    ("-0.0", -0.0),
    ("1e-3", 0.001),
    ("1E+2", Decimal("1E+2")),
    ("9007199254740993", 9007199254740993),
    ("9223372036854775808", Decimal(9223372036854775808)),
    ("0.1000000000000000055511151231257827", Decimal("0.1000000000000000055511151231257827")),
    ("123456789012345678901234567890", Decimal(123456789012345678901234567890)),
    ("1e400", Decimal("1E+400")),
    ("1" * 150, 1.1111111111111111e149),
]


@pytest.mark.parametrize(("written", "number"), NUMBERS)
def test_a_number_is_read_as_it_is_written(written: str, number: Any) -> None:
    text = b'{"resourceType": "Bundle", "entry": [{"value": %s}]}' % written.encode()
    value = parse_json(text)["entry"][0]["value"]
    (item,) = stream_items(io.BytesIO(text), UNLIMITED_INPUT.most_line_bytes)

    assert (value, type(value), str(value)) == (number, type(number), str(number))
    if written != "1e400":  # which the parser of large Bundles refuses as well as the whole Bundle
        assert (item.value["value"], type(item.value["value"])) == (number, type(number))


def observation(value: bytes, more: bytes = b"") -> bytes:
    return (
        b'{"resourceType": "Observation", "id": "o", "subject": {"reference": "Patient/p"},'
        b' "code": {"text": "HbA1c"}, "valueQuantity": {"value": %s, "unit": "%%"}%s}'
        % (value, more)
    )


ODD = {
    "a number of 400 digits": observation(b"1e400"),
    "NaN": observation(b"NaN"),
    "Infinity": observation(b"-Infinity"),
    "half of a surrogate pair": observation(b"7", b', "note": [{"text": "a\\ud83d b"}]'),
    "half of a pair in a code": observation(b"7", b', "status": "fin\\ud83dal"'),
    "a bare tab": observation(b"7", b', "note": [{"text": "a\tb"}]'),
    "a bare NUL": observation(b"7", b', "note": [{"text": "a\0b"}]'),
}


@pytest.mark.parametrize("what", ODD)
def test_a_value_that_cannot_be_read_costs_only_its_element(what: str) -> None:
    for content in (
        ODD[what],
        b'{"resourceType": "Bundle", "entry": [{"resource": %s}]}' % ODD[what],
    ):
        (line,) = read(content + b"\n")
        assert isinstance(line.resource, dict), error_of(line)
        reading = Reading()
        rows = translate(line.resource, reading)

        assert isinstance(rows, list)
        orjson.dumps(rows)
        assert rows[0]["display"] == "HbA1c"
        assert bool(reading.faults) == (what != "a bare tab" and "note" not in str(line.resource))
        assert "\0" not in orjson.dumps(rows).decode()


@pytest.mark.parametrize(
    "text",
    [b"{", b'{"a": nan}', b'{"a": 01}', b"{'a': 1}", b'{"a": 1,}', b'{"a": "\xff"}', b"[" * 9_000],
)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(NotJsonError):
        parse_json(text)


@pytest.mark.parametrize("text", [b'{"a": 1, "a": 2}', b'{"a": NaN, "b": {"c": 1, "\\u0063": 2}}'])
def test_a_member_that_is_named_twice_is_refused(text: bytes) -> None:
    with pytest.raises(DuplicateMemberError):
        parse_json(text)


def test_a_bundle_with_an_odd_number_keeps_its_other_entries() -> None:
    content = orjson.dumps(bundle({"resource": {"resourceType": "Patient", "id": "p", "x": 1.5}}))

    (line,) = read(content.replace(b"1.5", b"1e999"))

    assert line.resource == {"resourceType": "Patient", "id": "p", "x": Decimal("1E+999")}
