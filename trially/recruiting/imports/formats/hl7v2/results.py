"""Translate OBR and OBX segments to Observations."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from trially.recruiting.imports.formats.hl7v2.data_types import first_concept, without_empty
from trially.recruiting.imports.formats.hl7v2.messages import Segment, written
from trially.recruiting.imports.formats.hl7v2.observed_values import (
    TEXT_TYPES,
    ValueTypeError,
    interpretations_of,
    read_text,
    reference_range_of,
    translate_value,
)
from trially.recruiting.imports.formats.hl7v2.visits import SegmentReader, concept_key
from trially.recruiting.imports.formats.resource_ids import fact_id_of

Json = dict[str, Any]

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
# HL7 v2 tables 0085 and 0123.
_STATUSES = {
    "F": "final",
    "V": "final",
    "U": "final",
    "C": "corrected",
    "K": "corrected",
    "A": "amended",
    "B": "amended",
    "P": "preliminary",
    "R": "preliminary",
    "S": "preliminary",
    "I": "registered",
    "O": "registered",
    "D": "entered-in-error",
    "W": "entered-in-error",
    "X": "cancelled",
    "N": "cancelled",
}
_LABORATORY = frozenset("LAB CH HM MB MCB IMM SR BLB PAT VR TX CP".split())  # noqa: SIM905
_IMAGING = frozenset("RAD CT NMR RUS CUS XRC NMS RT VUS PHR".split())  # noqa: SIM905


@dataclass
class Order:
    """An OBR segment, and the OBX segments below it."""

    obr: Segment | None
    results: list["Result"] = field(default_factory=list)


@dataclass
class Result:
    """The OBX segments of one observation, and its notes."""

    obx: Segment
    further: list[Segment] = field(default_factory=list)
    """OBX segments with further lines of the text."""
    notes: list[str] = field(default_factory=list)

    def is_continued_by(self, obx: Segment) -> bool:
        """Return whether an OBX segment is the next line of this text."""
        return (
            not self.notes
            and (self.obx.text(2) or "") in TEXT_TYPES
            and all(self.obx.repetitions(n) == obx.repetitions(n) for n in (2, 3, 4, 6, 11, 14))
        )


class OrderCollector:
    """Collects the orders of a patient in a message."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    def add(self, segment: Segment) -> None:
        """Add an OBR, OBX or NTE segment."""
        if segment.name == "OBR":
            self.orders.append(Order(segment))
            return
        if not self.orders:
            self.orders.append(Order(None))
        results = self.orders[-1].results
        if segment.name == "NTE":
            if results:
                text = "\n".join(map(written, segment.repetitions(3)))
                results[-1].notes += [text] if text else []
        elif results and results[-1].is_continued_by(segment):
            results[-1].further.append(segment)
        else:
            results.append(Result(segment))


def translate_order(order: Order, reader: SegmentReader) -> Iterator[tuple[Segment, Json | None]]:
    """Yield the OBX segment of each result of an order, and its Observation unless it has none.

    An observation has the same id in each message, so that a correction replaces it.
    """
    repeated: Counter[str] = Counter()
    for result in order.results:
        yield result.obx, _translate(order.obr, result, reader, repeated)


def _translate(
    obr: Segment | None, result: Result, reader: SegmentReader, repeated: Counter[str]
) -> Json | None:
    obx = result.obx
    code = first_concept(obx.repetitions(3))
    if code is None:
        reader.faults.append("OBX-3 is missing.")
        return None
    status = obx.text(11) or (obr.text(25) if obr else None) or ""
    try:
        value = translate_value(obx, reader.clock)
    except ValueTypeError as error:
        reader.faults.append(f"OBX {error}.")
        return None
    if status == "U" and not value:
        reader.faults.append("OBX-11 is U, which makes an earlier result final, without a value.")
        return None
    if result.further:
        value = {"valueString": "\n".join(map(read_text, [obx, *result.further]))}
    for component in value.get("component", ()):
        component["code"] = code
    return without_empty(
        {
            "resourceType": "Observation",
            "id": _id_of(obr, obx, code, reader, repeated),
            "status": _STATUSES.get(status, "unknown"),
            "category": _category(obr),
            "code": code,
            "subject": reader.subject,
            "encounter": reader.encounter,
            "effectiveDateTime": reader.time(obx, 14) or (reader.time(obr, 7) if obr else None),
            "issued": reader.time(obr, 22) if obr else None,
            "referenceRange": reference_range_of(obx),
            "interpretation": interpretations_of(obx),
            "method": first_concept(obx.repetitions(17)),
            "note": [{"text": note} for note in _notes(result.notes)],
            **value,
        }
    )


def _id_of(
    obr: Segment | None,
    obx: Segment,
    code: Json,
    reader: SegmentReader,
    repeated: Counter[str],
) -> str:
    """Return an id of the order's number, the code and the sub-id, or else of the time.

    Results of one code and sub-id are told apart by their order. The patient is a part, because
    some laboratories use numbers of orders again.
    """
    instance = obx.text(21)
    if instance:
        return fact_id_of("observation", [reader.patient_id, "instance", instance])
    number = _order_number(obr)
    panel = first_concept(obr.repetitions(4)) if obr else None
    time = obx.text(14) or (obr.text(7) if obr else None)
    key = [
        reader.patient_id,
        *(["order", *number] if number else ["time", time]),
        concept_key(panel) if panel else None,
        concept_key(code),
        obx.text(4),
    ]
    first_id = fact_id_of("observation", key)
    repeated[first_id] += 1
    if repeated[first_id] == 1:
        return first_id
    return fact_id_of("observation", [*key, str(repeated[first_id])])


def _order_number(obr: Segment | None) -> Sequence[str | None] | None:
    """Return the filler's number of the order, or else the placer's, with its authority."""
    for position in (3, 2) if obr else ():
        assert obr is not None  # noqa: S101
        if number := obr.text(position):
            return str(position), number, obr.text(position, 2)
    return None


def _category(obr: Segment | None) -> list[Json]:
    section = (obr.text(24) or "").upper() if obr else ""
    code = "laboratory" if section in _LABORATORY else "imaging" if section in _IMAGING else None
    system = f"{_TERMINOLOGY}/observation-category"
    return [{"coding": [{"system": system, "code": code}]}] if code else []


def _notes(notes: Sequence[str]) -> list[str]:
    return ["\n".join(notes)] if notes else []
