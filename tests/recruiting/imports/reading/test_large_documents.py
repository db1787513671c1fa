"""Bundles and arrays that are too large for memory are read in two passes."""

import io
import tracemalloc
from typing import Any

import orjson
import pytest

from tests.recruiting.imports.reading.files import (
    A,
    B,
    bundle,
    error_of,
    patient,
    read,
    summarise,
)
from trially.recruiting.imports.limits import UNLIMITED_INPUT
from trially.recruiting.imports.reading import documents
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.resources import read_resources
from trially.recruiting.imports.reading.source_files import source_file_from_stream

PAD = "x" * 2_000


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LARGEST_WHOLE_BYTES", 1_000)


def urn(number: int) -> str:
    return f"urn:uuid:00000000-0000-4000-8000-{number:012x}"


def condition(number: int, reference: str) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": f"c{number}", "subject": {"reference": reference}}


def entries_of(number: int, *, facts_first: bool) -> list[dict[str, Any]]:
    """Return entries whose ids differ from their URLs, with references in both directions."""
    patients = [
        {"fullUrl": urn(each), "resource": patient(f"p{each}", text=PAD)} for each in range(number)
    ]
    facts = [
        {"fullUrl": urn(10**6 + each), "resource": condition(each, urn(each).upper())}
        for each in range(number)
    ]
    return facts + patients if facts_first else patients + facts


@pytest.mark.parametrize("option", [0, orjson.OPT_INDENT_2, orjson.OPT_SORT_KEYS])
@pytest.mark.parametrize("facts_first", [True, False])
def test_references_of_a_large_bundle_are_resolved(option: int, *, facts_first: bool) -> None:
    content = orjson.dumps(bundle(*entries_of(50, facts_first=facts_first)), option=option)

    lines = read(content)

    subjects = {
        line.resource["id"]: line.resource["subject"]["reference"]
        for line in lines
        if line.resource and "subject" in line.resource
    }
    assert subjects == {f"c{number}": f"Patient/p{number}" for number in range(50)}
    assert [line.number for line in lines] == list(range(1, 101))


def test_resources_without_ids_get_the_same_ids_as_in_a_small_bundle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = [
        {"fullUrl": "urn:oid:1.2.3", "resource": {"resourceType": "Patient", "text": PAD}},
        {"fullUrl": "urn:x:1", "resource": {"resourceType": "Patient"}},
        {"resource": condition(1, "urn:x:1")},
    ]
    large = read(orjson.dumps(bundle(*entries)))
    monkeypatch.setattr(documents, "LARGEST_WHOLE_BYTES", 10**6)
    small = read(orjson.dumps(bundle(*entries)))

    assert [line.resource for line in large] == [line.resource for line in small]
    assert large[0].resource
    assert large[0].resource["id"] == "1.2.3"


def test_a_link_to_the_next_page_is_reported_first_even_if_it_comes_last() -> None:
    more = {"type": "searchset", "link": [{"relation": "next", "url": "a"}]}
    content = orjson.dumps({**bundle({"resource": patient("a", text=PAD)}), **more})

    first, second = read(content)

    assert first.fault
    assert (first.fault.code, second.resource and second.resource["id"]) == ("more_pages", "a")


def test_a_large_array_is_streamed() -> None:
    items = [patient(str(number), text=PAD) for number in range(20)]
    content = orjson.dumps([*items, 7, bundle({"resource": A})], option=orjson.OPT_INDENT_2)

    lines = read(content)

    assert summarise(lines)[:20] == [("x.ndjson", number + 1, str(number)) for number in range(20)]
    assert summarise(lines)[20:] == [
        ("x.ndjson", 21, "The content is not a JSON object."),
        ("x.ndjson!22", 1, "a"),
    ]


def test_a_large_file_of_pretty_resources_is_streamed() -> None:
    resources = [patient(str(number), text=[PAD, '{"'], x="}") for number in range(20)]
    content = b"\n".join(orjson.dumps(each, option=orjson.OPT_INDENT_2) for each in resources)

    assert [line.resource for line in read(content)] == resources


def test_a_resource_beside_large_bundles_is_not_lost_in_silence() -> None:
    pretty = [
        orjson.dumps(each, option=orjson.OPT_INDENT_2)
        for each in (bundle({"resource": patient("a", text=PAD)}), B, bundle({"resource": B}))
    ]

    lines = read(b"\n".join(pretty))

    assert [line.resource and line.resource["id"] for line in lines] == ["a", None, "b"]
    assert lines[1].fault
    assert lines[1].fault.code == "not_supported"


@pytest.mark.parametrize("cut", [-1, -500, 3_000])
def test_a_truncated_bundle_gives_its_entries_and_one_error(cut: int) -> None:
    content = orjson.dumps(bundle(*entries_of(20, facts_first=False)))

    *good, last = read(content[:cut])

    assert len(good) >= 1
    assert [error_of(line) for line in good] == [None] * len(good)
    assert error_of(last) == "The content is not valid JSON."


def test_memory_does_not_grow_with_a_bundle() -> None:
    large = {"resource": patient("a", text=PAD * 10)}
    peaks = [_peak_of(bundle(*[large] * number)) for number in (500, 1_500)]

    assert peaks[1] < peaks[0] + 2**20


def _peak_of(large: dict[str, Any]) -> int:
    content = io.BytesIO(orjson.dumps(large))
    source_file = source_file_from_stream("b.json", content)
    del large
    tracemalloc.start()
    try:
        lines = read_resources(source_file, InputMeter(UNLIMITED_INPUT))
        assert sum(line.fault is None for line in lines) > 0
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
