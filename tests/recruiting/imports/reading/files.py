"""Contents of FHIR files, and short ways to read them."""

import io
from typing import Any

import orjson

from trially.recruiting.imports.limits import UNLIMITED_INPUT, ImportLimits
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.records import Deletion
from trially.recruiting.imports.reading.resources import ReadResource, read_resources
from trially.recruiting.imports.reading.source_files import SourceFile, source_file_from_stream

NOT_JSON = "The content is not valid JSON."
NOT_UTF8 = "The content is not valid UTF-8."
NOT_OBJECT = "The content is not a JSON object."
UNFINISHED = "The content is not valid JSON: an object that begins here has no end."
TRUNCATED = "The file is truncated."
DAMAGED = "The file is damaged, or cannot be read to its end."


def patient(patient_id: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": patient_id, **more}


A, B, C = patient("a"), patient("b"), patient("c")


def bundle(*entries: Any, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": list(entries), **more}


def ndjson(*resources: Any) -> bytes:
    return b"".join(orjson.dumps(resource) + b"\n" for resource in resources)


def read(
    content: bytes,
    start_after: int = 0,
    name: str = "x.ndjson",
    limits: ImportLimits = UNLIMITED_INPUT,
) -> list[ReadResource]:
    source_file = source_file_from_stream(name, io.BytesIO(content))
    return read_file(source_file, start_after, limits)


def read_file(
    source_file: SourceFile, start_after: int = 0, limits: ImportLimits = UNLIMITED_INPUT
) -> list[ReadResource]:
    return list(read_resources(source_file, InputMeter(limits), start_after))


def error_of(line: ReadResource) -> str | None:
    return line.fault.reason if line.fault else None


def summarise(lines: list[ReadResource]) -> list[tuple[str, int, str | None]]:
    """Return the place of each line, and its id or its error."""
    return [
        (line.file, line.number, id_of(line.resource) if line.resource else error_of(line))
        for line in lines
    ]


def id_of(resource: dict[str, Any] | Deletion) -> str:
    return resource.id if isinstance(resource, Deletion) else str(resource["id"])
