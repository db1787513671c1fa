"""Read files of HL7 v2 messages as FHIR R4 resources."""

import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from trially.recruiting.imports.faults import FaultCode
from trially.recruiting.imports.formats.hl7v2.framing import FramingFault, split_messages
from trially.recruiting.imports.formats.hl7v2.messages import (
    Message,
    MessageError,
    Segment,
    parse_message,
)
from trially.recruiting.imports.formats.hl7v2.patients import (
    EARLIEST_VERSION,
    RecordNumber,
    read_record_number,
    translate_merge,
    translate_pid,
)
from trially.recruiting.imports.formats.hl7v2.results import OrderCollector, translate_order
from trially.recruiting.imports.formats.hl7v2.times import Clock
from trially.recruiting.imports.formats.hl7v2.visits import SegmentReader
from trially.recruiting.imports.formats.results import Results
from trially.recruiting.imports.formats.text_files import TextFileError, open_content
from trially.recruiting.imports.reading.byte_sources import ByteSource
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.resources import ReadResource
from trially.recruiting.imports.reading.source_files import SourceFile

Json = dict[str, Any]

_EVENT = re.compile(r"[A-Z]\d\d")
ADT_EVENTS = frozenset(
    "A01 A02 A03 A04 A05 A06 A07 A08 A10 A11 A12 A13 A14 A16 A23 A25 A27 A28 A29 A31 A38".split()  # noqa: SIM905
)
MERGE_EVENTS = frozenset({"A18", "A34", "A36", "A39", "A40", "A47"})
# A fault names only types of the standard, as other texts could be PHI.
_NAMED_TYPES = frozenset(
    "ADT BAR DFT MDM MFN OMG OML ORL ORM ORR ORU OUL PPR QRY RAS RDE RDS REF SIU VXU".split()  # noqa: SIM905
)


class MessageReader:
    """Reads HL7 v2 messages."""

    def __init__(
        self,
        zone: ZoneInfo | None = None,
        codec: str | None = None,
        fallback: ZoneInfo | None = None,
    ) -> None:
        """Take the zone of the source, and the codec of messages that declare none.

        `fallback` is the zone of times if neither the source nor the message has one.
        """
        self._clock = Clock(zone, fallback=fallback)
        self._codec = codec

    def __call__(
        self, source_file: SourceFile, meter: InputMeter, start_after: int = 0
    ) -> Iterator[ReadResource]:
        """Yield the resources and faults of each message, with the lines of their segments."""
        results = Results(source_file.name, meter, start_after)
        try:
            for content in open_content(source_file, meter):
                yield from self._read_content(content, results)
        except TextFileError as error:
            yield from results.refusal(1, FaultCode.WRONG_FORMAT, str(error))

    def _read_content(self, content: ByteSource, results: Results) -> Iterator[ReadResource]:
        for raw in split_messages(content, results.meter.limits.most_line_bytes):
            if isinstance(raw, FramingFault):
                yield from results.refusal(raw.line, raw.code, raw.reason)
                continue
            try:
                yield from self._read_message(parse_message(raw, self._codec), results)
            except MessageError as error:
                yield from results.refusal(error.line, FaultCode.INVALID_MESSAGE, str(error))

    def _read_message(self, message: Message, results: Results) -> Iterator[ReadResource]:
        header, kind, event = message.header, message.kind, message.event
        if kind == "ACK":
            return
        is_merge = kind == "ADT" and event in MERGE_EVENTS
        if not is_merge and (kind, event) != ("ORU", "R01") and not _is_adt(kind, event):
            is_named = kind in _NAMED_TYPES and _EVENT.fullmatch(event)
            name = f"{kind}^{event}" if is_named else "of this type"
            raise MessageError(f"Messages {name} are not imported.", header.line)
        clock = self._clock.of_message(header.text(7))
        reading = _Reading(message, clock, _version_of(message, clock), results)
        yield from reading.merges() if is_merge else reading.records()


def _version_of(message: Message, clock: Clock) -> str | None:
    """Return the time of a message: MSH-7, or else EVN-2. Raises `MessageError` if it is no time.

    Without a time, an old message could undo what a newer one says.
    """
    texts = [message.header.text(7), *(each.text(2) for each in message.all("EVN"))]
    times = [clock.read(text) for text in texts if text]
    if times and not any(times):
        raise MessageError("The message's time (MSH-7) is not a time.", message.header.line)
    return next(filter(None, times), None)


def _is_adt(kind: str, event: str) -> bool:
    return kind == "ADT" and event in ADT_EVENTS


class _Reading:
    """The reading of one message."""

    def __init__(
        self, message: Message, clock: Clock, version: str | None, results: Results
    ) -> None:
        self._message = message
        self._clock = clock
        self._version = version
        """The message's time, by which the versions of a resource are ordered."""
        self._results = results

    def records(self) -> Iterator[ReadResource]:
        """Yield the resources of the message's patients."""
        reader, orders = None, OrderCollector()
        for segment in self._message.segments:
            if segment.name == "PID":
                yield from self._results_of(orders, reader)
                number, patient, faults = self._patient(segment)
                if self._message.kind == "ORU" or self._message.event == "A23":
                    patient["meta"] = {"lastUpdated": EARLIEST_VERSION}
                if self._message.event == "A29":
                    yield from self._results.deletion(segment.line, patient, self._version)
                else:
                    yield from self._emit(segment, patient, faults)
                reader, orders = SegmentReader(number.id, self._clock), OrderCollector()
            elif segment.name in ("OBR", "OBX", "NTE"):
                if reader is not None:
                    orders.add(segment)
            elif segment.name in ("PV1", "DG1", "AL1", "PR1"):
                if reader is None:
                    raise MessageError(f"{segment.name} comes before PID.", segment.line)
                yield from self._fact(segment, reader)
        if reader is None:
            raise MessageError("The message has no PID segment.", self._message.header.line)
        yield from self._results_of(orders, reader)

    def merges(self) -> Iterator[ReadResource]:
        """Yield the patients that others replace, and those others in case they are new."""
        pid = None
        is_empty = True
        for segment in self._message.segments:
            if segment.name == "PID":
                pid = segment
            elif segment.name == "MRG":
                is_empty = False
                if pid is None:
                    raise MessageError("MRG comes before PID.", segment.line)
                number, patient, faults = self._patient(pid)
                old = read_record_number(segment, 1, 4)
                if old.id == number.id:
                    raise MessageError("MRG replaces a record by itself.", segment.line)
                survivor = {**patient, "meta": {"lastUpdated": EARLIEST_VERSION}}
                yield from self._emit(pid, survivor, faults)
                yield from self._emit(segment, translate_merge(patient, old), [])
        if is_empty:
            raise MessageError("The message has no MRG segment.", self._message.header.line)

    def _patient(self, pid: Segment) -> tuple[RecordNumber, Json, list[str]]:
        number, faults = read_record_number(pid, 3, 2, 4), list[str]()
        return number, translate_pid(pid, number, self._clock, faults), faults

    def _fact(self, segment: Segment, reader: SegmentReader) -> Iterator[ReadResource]:
        if segment.name == "PV1" and self._message.event == "A23":
            yield from self._deleted_visit(segment, reader)
            return
        if segment.name == "PV1":
            resource = reader.visit(segment, self._message.event)
            if self._message.kind == "ORU":  # it need not hold the whole visit
                resource = None
        elif segment.name == "DG1":
            resource = reader.diagnosis(segment)
        elif segment.name == "AL1":
            resource = reader.allergy(segment)
        else:
            resource = reader.procedure(segment)
        yield from self._emit(segment, resource, reader.faults)
        reader.faults.clear()

    def _deleted_visit(self, pv1: Segment, reader: SegmentReader) -> Iterator[ReadResource]:
        visit = reader.visit(pv1, self._message.event)
        if visit is None:
            raise MessageError("PV1 does not name the visit that is deleted.", pv1.line)
        yield from self._results.deletion(pv1.line, visit, self._version)

    def _results_of(
        self, orders: OrderCollector, reader: SegmentReader | None
    ) -> Iterator[ReadResource]:
        if reader is None:
            return
        for order in orders.orders:
            for obx, observation in translate_order(order, reader):
                yield from self._emit(obx, observation, list(dict.fromkeys(reader.faults)))
                reader.faults.clear()

    def _emit(
        self, segment: Segment, resource: Json | None, faults: list[str]
    ) -> Iterator[ReadResource]:
        if resource is not None:
            yield from self._results.resource(segment.line, self._versioned(resource))
        for fault in faults:
            if resource is not None:
                yield from self._results.omission(segment.line, fault, resource)
            else:
                code = FaultCode.INVALID_MESSAGE
                yield from self._results.refusal(segment.line, code, fault)

    def _versioned(self, resource: Json) -> Json:
        if self._version is None:
            return resource
        return {"meta": {"lastUpdated": self._version}, **resource}
