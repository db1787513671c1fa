"""Read HL7 v2 messages in memory."""

import io
from typing import Any
from zoneinfo import ZoneInfo

from trially.recruiting.imports.formats.hl7v2.reading import MessageReader
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.resources import ReadResource
from trially.recruiting.imports.reading.source_files import source_file_from_stream

PID = "PID|1||123^^^HOSP&1.2.3&ISO^MR||Müller^Jörg||19610723|M"


def message(*segments: str, kind: str = "ADT^A01", time: str = "20240304103000+0100") -> str:
    """Return a message with these segments after its header, which ends in CR."""
    header = rf"MSH|^~\&|SYS|HOSP|APP|FAC|{time}||{kind}|4711|P|2.5||||||UNICODE UTF-8"
    return "".join(f"{segment}\r" for segment in (header, *segments))


def read_messages(
    content: str | bytes,
    *,
    zone: str | None = None,
    codec: str | None = None,
    start_after: int = 0,
    limits: ImportLimits | None = None,
) -> list[ReadResource]:
    """Return what is read from a file."""
    body = content.encode() if isinstance(content, str) else content
    file = source_file_from_stream("messages.hl7", io.BytesIO(body))
    reader = MessageReader(ZoneInfo(zone) if zone else None, codec)
    return list(reader(file, InputMeter(limits or ImportLimits()), start_after))


def resources(
    content: str | bytes, kind: str | None = None, **options: Any
) -> list[dict[str, Any]]:
    """Return the resources of a file, or those of one type."""
    results = read_messages(content, **options)
    assert [each.fault for each in results if each.fault] == []
    return [
        each.resource
        for each in results
        if each.resource and kind in (None, each.resource["resourceType"])
    ]


def faults(content: str | bytes, **options: Any) -> list[tuple[int, str]]:
    """Return the lines and sentences of a file's faults."""
    return [
        (each.number, each.fault.reason) for each in read_messages(content, **options) if each.fault
    ]
