"""Resources are read from NDJSON, Bundles and single resources, with and without errors."""

import gzip
import io
import tracemalloc
from pathlib import Path

import orjson
import pytest

from tests.recruiting.imports.reading.files import (
    NOT_JSON,
    NOT_OBJECT,
    NOT_UTF8,
    UNFINISHED,
    A,
    B,
    C,
    bundle,
    error_of,
    ndjson,
    patient,
    read,
    summarise,
)
from trially.recruiting.imports.limits import UNLIMITED_INPUT, ImportLimits
from trially.recruiting.imports.reading import documents
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.resources import ReadResource, read_resources
from trially.recruiting.imports.reading.source_files import source_file_from_stream


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_ndjson(ending: bytes) -> None:
    content = ending.join([orjson.dumps(A), b"", b"  ", orjson.dumps(B)])

    lines = read(content)

    assert lines == [
        ReadResource("x.ndjson", 1, A, None, 1),
        ReadResource("x.ndjson", 4, B, None, 4),
    ]


def test_reading_continues_after_a_bad_line() -> None:
    content = b"\n".join(
        [orjson.dumps(A), b'{"id": "Jane Doe', b'{"id": "\xff"}', b"[1]", b"7", orjson.dumps(B)]
    )

    assert summarise(read(content)) == [
        ("x.ndjson", 1, "a"),
        ("x.ndjson", 2, NOT_JSON),
        ("x.ndjson", 3, NOT_UTF8),
        ("x.ndjson", 4, NOT_OBJECT),
        ("x.ndjson", 5, NOT_OBJECT),
        ("x.ndjson", 6, "b"),
    ]


def test_a_bad_first_line_does_not_affect_other_lines() -> None:
    content = b'\n{"resourceType": "Patient", "id"\n' + ndjson(A, B)

    assert summarise(read(content)) == [
        ("x.ndjson", 2, NOT_JSON),
        ("x.ndjson", 3, "a"),
        ("x.ndjson", 4, "b"),
    ]


def test_byte_order_marks_are_tolerated() -> None:
    mark = b"\xef\xbb\xbf"

    lines = read(mark + ndjson(A) + mark + ndjson(B))

    assert summarise(lines) == [("x.ndjson", 1, "a"), ("x.ndjson", 2, "b")]


@pytest.mark.parametrize("option", [0, orjson.OPT_INDENT_2])
def test_one_document(option: int) -> None:
    entries = [{"resource": A}, {"response": {"status": "201"}}, {"resource": B}]

    resource = read(orjson.dumps(A, option=option))
    both = read(orjson.dumps(bundle(*entries), option=option) + b"\n", name="b.json")

    assert summarise(resource) == [("x.ndjson", 1, "a")]
    assert summarise(both) == [("b.json", 1, "a"), ("b.json", 3, "b")]


def test_lines_of_bundles() -> None:
    content = ndjson(bundle({"resource": A}, {"resource": B}), C)

    lines = read(content)

    assert summarise(lines) == [
        ("x.ndjson!1", 1, "a"),
        ("x.ndjson!1", 2, "b"),
        ("x.ndjson", 2, "c"),
    ]
    assert [line.ordinal for line in lines] == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{\n "resourceType": \n', UNFINISHED),
        (b'{\n "resourceType": \n}', NOT_JSON),
        (b"anything", NOT_JSON),
        (b"\xfcber", NOT_UTF8),
    ],
)
def test_a_file_without_json_gives_one_error(content: bytes, reason: str) -> None:
    (line,) = read(content)

    assert error_of(line) == reason


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_an_empty_file_gives_nothing(content: bytes) -> None:
    assert read(content) == []


def test_a_line_too_long_is_skipped() -> None:
    long = patient("long", text="x" * 3_000_000)

    limits = ImportLimits(most_line_bytes=5_000)

    lines = read(ndjson(A, long, B, long)[:-1], limits=limits)

    too_long = "The line is longer than 5,000 bytes."
    assert [line.resource["id"] if line.resource else error_of(line) for line in lines] == [
        "a",
        too_long,
        "b",
        too_long,
    ]


@pytest.mark.parametrize("start_after", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("is_bundle", [True, False])
def test_reading_continues_after_any_line(start_after: int, *, is_bundle: bool) -> None:
    if is_bundle:
        content = orjson.dumps(bundle({"resource": A}, {}, {"resource": B}, {"resource": C}))
    else:
        content = ndjson(A) + b"\n" + ndjson(B, C)

    everything, rest = read(content), read(content, start_after)

    assert rest == [line for line in everything if line.ordinal > start_after]


def test_references_within_a_bundle_are_resolved() -> None:
    condition = {
        "resourceType": "Condition",
        "subject": {"reference": "urn:uuid:1f"},
        "evidence": [{"detail": [{"reference": "https://ehr/fhir/Observation/9/_history/2"}]}],
        "encounter": {"reference": "Encounter/elsewhere"},
    }
    content = bundle(
        {"fullUrl": "urn:uuid:1f", "resource": {"resourceType": "Patient", "id": "p"}},
        {"fullUrl": "urn:uuid:2f", "resource": condition},
        {"fullUrl": "https://ehr/fhir/Observation/9", "resource": {"resourceType": "Observation"}},
    )

    patient_line, condition_line, observation_line = read(orjson.dumps(content))

    assert patient_line.resource == {"resourceType": "Patient", "id": "p"}
    assert observation_line.resource == {"resourceType": "Observation", "id": "9"}
    assert condition_line.resource == {
        "resourceType": "Condition",
        "id": "2f",
        "subject": {"reference": "Patient/p"},
        "evidence": [{"detail": [{"reference": "https://ehr/fhir/Observation/9"}]}],
        "encounter": {"reference": "Encounter/elsewhere"},
    }


def test_kinds_of_entries() -> None:
    content = bundle(
        {"request": {"method": "DELETE", "url": "Patient/z"}},
        {"request": {"method": "PUT", "url": "Patient/p"}, "resource": {"resourceType": "Patient"}},
        {"response": {"status": "200"}},
        {"resource": bundle({"resource": A})},
        {"resource": "Patient"},
        None,
    )

    assert summarise(read(orjson.dumps(content), name="b")) == [
        ("b", 1, "z"),
        ("b", 2, "p"),
        ("b!4", 1, "a"),
        ("b", 5, "The resource of the entry is not a JSON object."),
        ("b", 6, "The entry is not a JSON object."),
    ]


def test_deeply_nested_bundles_are_rejected() -> None:
    content = bundle({"resource": A})
    for _ in range(50):
        content = bundle({"resource": content})

    (line,) = read(orjson.dumps(content))

    assert error_of(line) == "The entry is nested in more than 4 Bundles or Parameters."


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LARGEST_WHOLE_BYTES", 1_000)


@pytest.mark.parametrize("option", [0, orjson.OPT_INDENT_2, orjson.OPT_SORT_KEYS])
def test_large_bundles_are_streamed(option: int, small_limits: None) -> None:
    entries = [
        {
            "fullUrl": f"urn:uuid:{number}",
            "search": {"score": 0.5},
            "resource": {"resourceType": "Patient", "entry": [{"deep": [number, [1.5, None]]}]},
        }
        for number in range(500)
    ]
    content = orjson.dumps(bundle(*entries, link=[{"entry": ["no"]}], total=500), option=option)

    lines = read(content)

    assert [error_of(line) for line in lines] == [None] * 500
    assert [line.number for line in lines] == list(range(1, 501))
    assert lines[7].resource == {
        "resourceType": "Patient",
        "entry": [{"deep": [7, [1.5, None]]}],
        "id": "7",
    }


def test_a_large_truncated_bundle_gives_the_entries_before_its_end(small_limits: None) -> None:
    content = orjson.dumps(bundle(*[{"resource": A}] * 500), option=orjson.OPT_INDENT_2)

    lines = read(content[:-50])

    assert [line.resource for line in lines[:-1]] == [A] * (len(lines) - 1)
    assert len(lines) > 490
    assert error_of(lines[-1]) == NOT_JSON


def test_a_large_bundle_of_brackets_takes_no_memory(small_limits: None) -> None:
    content = b'{"resourceType":"Bundle","entry":[{"resource":' + b"[" * 1_000_000

    (line,) = read(content)

    assert error_of(line) == NOT_JSON


def test_a_large_single_resource_is_bounded_as_a_line_is(small_limits: None) -> None:
    content = orjson.dumps(patient("a", text=["x" * 80] * 99), option=orjson.OPT_INDENT_2)

    assert summarise(read(content)) == [("x.ndjson", 1, "a")]
    assert summarise(read(content, limits=ImportLimits(most_line_bytes=5_000))) == [
        ("x.ndjson", 1, "The resource or line is longer than 5,000 bytes.")
    ]


def test_a_large_line_is_read(small_limits: None) -> None:
    content = ndjson(patient("a", text="x" * 5_000), B)

    assert [line.resource["id"] for line in read(content) if line.resource] == ["a", "b"]


def test_errors_do_not_quote_the_content() -> None:
    content = b'{"name": "Zaphod"\n{"name": \xffZaphod}\n"Zaphod"\n' + ndjson(A)

    for line in read(content)[:-1]:
        assert error_of(line) is not None
        assert "Zaphod" not in error_of(line)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    resource = orjson.dumps(patient("a", text="x" * 1_000)) + b"\n"
    packed = gzip.compress(resource * 100_000, compresslevel=1)
    source_file = source_file_from_stream("x.gz", io.BytesIO(packed))

    tracemalloc.start()
    count = sum(1 for _ in read_resources(source_file, InputMeter(UNLIMITED_INPUT)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 100_000
    assert peak < 16 * 2**20
    assert source_file.position() == source_file.size == len(packed)


TWICE = b'{"resourceType":"Patient","id":"a","id":"b"}'
DUPLICATE = "The content has an object that names a member twice."


@pytest.mark.parametrize("is_large", [False, True])
def test_duplicate_members_are_rejected(monkeypatch: pytest.MonkeyPatch, *, is_large: bool) -> None:
    if is_large:
        monkeypatch.setattr(documents, "LARGEST_WHOLE_BYTES", 20)
    in_bundle = b'{"resourceType":"Bundle","entry":[{"resource":%b}]}' % TWICE

    assert summarise(read(ndjson(A) + TWICE + b"\n")) == [
        ("x.ndjson", 1, "a"),
        ("x.ndjson", 2, DUPLICATE),
    ]
    assert summarise(read(in_bundle, name="b")) == [("b", 1, DUPLICATE)]


def test_an_entry_with_duplicate_members_does_not_affect_others(small_limits: None) -> None:
    entries = [b'{"resource":%b}' % each for each in (ndjson(A), TWICE, ndjson(B))] * 20
    content = b'{"resourceType":"Bundle","entry":[%b]}' % b",".join(entries)

    lines = read(content, name="b")

    assert [error_of(line) for line in lines] == [None, DUPLICATE, None] * 20
