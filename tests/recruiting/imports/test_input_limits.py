"""The limits of what an import reads, and of the rows that it makes of it."""

import gzip
import io
import lzma
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.recruiting.imports.fhir_examples import OBSERVATION
from tests.recruiting.imports.importing import NDJSON
from tests.recruiting.imports.reading.files import bundle, error_of, ndjson, patient, read
from tests.recruiting.imports.reading.test_unpacking import tar
from trially.config import Settings
from trially.recruiting.imports.limits import ImportLimitError, ImportLimits, ImportTimeError
from trially.recruiting.imports.reading import documents, input_meter
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.resources import ReadResource, read_resources
from trially.recruiting.imports.reading.source_files import source_file_from_stream
from trially.recruiting.imports.writing import batches
from trially.recruiting.imports.writing.batches import Batch


def test_layers_of_compression_count_together() -> None:
    bomb = gzip.compress(gzip.compress(b"\n" * (32 << 20)))

    with pytest.raises(ImportLimitError, match="more than 100 times"):
        read(bomb, limits=ImportLimits(most_expansion=100))


def test_a_small_file_may_expand_as_it_will(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = lzma.compress(ndjson(patient("a")) * 50_000)
    assert 50_000 * len(ndjson(patient("a"))) > 500 * len(packed)

    assert len(read(packed, limits=ImportLimits(most_expansion=100))) == 50_000

    monkeypatch.setattr(input_meter, "EXPANSION_FLOOR_BYTES", 1 << 20)
    with pytest.raises(ImportLimitError):
        read(packed, limits=ImportLimits(most_expansion=100))


@pytest.mark.parametrize("length", [2_000, 3_000_000])
def test_a_line_that_is_too_long_is_a_fault(length: int) -> None:
    lines = read(
        ndjson(patient("a"), patient("long", text="x" * length), patient("b")),
        limits=ImportLimits(most_line_bytes=1_500),
    )

    assert [error_of(line) for line in lines] == [
        None,
        "The line is longer than 1,500 bytes.",
        None,
    ]


def test_an_entry_that_is_too_long_ends_a_large_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LARGEST_WHOLE_BYTES", 1_000)
    entries = [{"resource": patient(str(number))} for number in range(100)]
    long = {"resource": patient("long", text="x" * 5_000_000)}

    lines = read(
        orjson.dumps(bundle(*entries, long, *entries)), limits=ImportLimits(most_line_bytes=1 << 20)
    )

    assert [error_of(line) for line in lines] == [None] * 100 + [
        "The entry is longer than 1,048,576 bytes. The rest was not imported."
    ]


def observe(components: int) -> dict[str, Any]:
    component = {"code": {"coding": [{"code": "1"}]}}
    return {**OBSERVATION, "component": [component] * components}


def test_a_resource_of_too_many_rows_is_a_fault() -> None:
    batch = Batch(ImportLimits(most_rows_of_resource=3))

    for number, components in enumerate((2, 3), 1):
        batch.add(ReadResource("f", number, observe(components), None, number))

    assert [fault.line for fault in batch.faults] == [2]
    assert batch.faults[0].reason == "Observation becomes more than 3 rows. Split it."
    assert batch.rows == 3


def test_a_batch_ends_at_its_rows_and_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Batch(ImportLimits(most_rows_of_batch=20))
    for number in range(1, 4):
        full.add(ReadResource("f", number, observe(9), None, number))
        assert full.is_full == (number >= 2)

    old = Batch()
    assert not old.is_full
    monkeypatch.setattr(batches, "BATCH_SECONDS", 0.0)
    assert old.is_full


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "content",
    [
        NDJSON * 100,
        NDJSON + b"\n" * 5_000_000,
        gzip.compress(b"\n" * 5_000_000),
        tar({f"{number}.txt": b"" for number in range(1_000)}),
    ],
)
def test_time_is_checked_whatever_is_read(content: bytes) -> None:
    clock = Clock()
    meter = InputMeter(ImportLimits(most_seconds=60), clock)
    lines = read_resources(source_file_from_stream("x", io.BytesIO(content)), meter)
    clock.now = 61

    with pytest.raises(ImportTimeError, match="longer than 60 seconds"):
        list(lines)


def test_settings_are_the_limits_of_uploads(settings: Settings) -> None:
    changed = replace(settings, max_import_expansion=7, max_import_seconds=8, imports_per_tenant=9)

    of_upload = ImportLimits.of_upload(changed)

    assert (of_upload.most_expansion, of_upload.most_seconds) == (7, 8)
    assert of_upload.most_of_tenant == 9
    of_command = of_upload.of_command()
    assert (of_command.most_expansion, of_command.most_seconds) == (7, None)
