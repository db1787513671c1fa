"""Which parts of FHIR's data types an import keeps. A test compares the table with the rows."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Parts(NamedTuple):
    """The parts of a data type, in the order of FHIR."""

    kept: Mapping[str, str]
    """By name: the data type, or nothing for a primitive value."""

    left_out: tuple[str, ...] = ()


def _parts(kept: str, left_out: str = "") -> Parts:
    """Return parts. Those of a data type are written `name:Type`."""
    pairs = (each.partition(":") for each in kept.split())
    return Parts({name: kind for name, _, kind in pairs}, tuple(left_out.split()))


_QUANTITY = _parts("value comparator unit system code")

DATA_TYPES: Mapping[str, Parts] = {
    "Address": _parts("use text line city state postalCode country period:Period", "type district"),
    "Age": _QUANTITY,
    "Annotation": _parts("text", "authorReference authorString time"),
    "Attachment": _parts("", "contentType language data url size hash title creation"),
    "CodeableConcept": _parts("coding:Coding text"),
    "Coding": _parts("system code display", "version userSelected"),
    "ContactPoint": _parts("system value rank period:Period", "use"),
    "Dosage": _parts(
        "text additionalInstruction:CodeableConcept patientInstruction timing:Timing"
        " asNeededBoolean asNeededCodeableConcept:CodeableConcept site:CodeableConcept"
        " route:CodeableConcept method:CodeableConcept doseAndRate:DoseAndRate"
        " maxDosePerPeriod:Ratio maxDosePerAdministration:Quantity maxDosePerLifetime:Quantity",
        "sequence",
    ),
    "DoseAndRate": _parts(
        "doseRange:Range doseQuantity:Quantity rateRatio:Ratio rateRange:Range"
        " rateQuantity:Quantity",
        "type",
    ),
    "Duration": _QUANTITY,
    "HumanName": _parts("use text family given period:Period", "prefix suffix"),
    "Identifier": _parts("use type:CodeableConcept system value period:Period assigner:Reference"),
    "Period": _parts("start end"),
    "Quantity": _QUANTITY,
    "Range": _parts("low:Quantity high:Quantity"),
    "Ratio": _parts("numerator:Quantity denominator:Quantity"),
    "Reference": _parts("reference type identifier:Identifier display"),
    "SampledData": _parts("", "origin period factor lowerLimit upperLimit dimensions data"),
    "Timing": _parts("event repeat:TimingRepeat code:CodeableConcept"),
    "TimingRepeat": _parts(
        "boundsDuration:Duration boundsRange:Range boundsPeriod:Period count countMax duration"
        " durationMax durationUnit frequency frequencyMax period periodMax periodUnit dayOfWeek"
        " timeOfDay when offset",
    ),
}
"""By data type: its parts. `DoseAndRate` and `TimingRepeat` are elements of Dosage and Timing."""

_NOTES = {
    "Coding": "`system` without a version",
    "ContactPoint": "the others choose the current phone number and email address",
    "HumanName": "`use` and `period` choose the name",
    "Address": "`use` and `period` choose the address; the extension `geolocation` is kept",
    "Quantity": "of a value, the UCUM `code` is the unit, or else `unit`",
    "Reference": "the id or the display, as the type's table says",
    "SampledData": "a fault says so",
    "Attachment": "a fault says so, of the value of an Observation",
    "Timing": "events and the bounds of a period are dates, the rest is one text",
}


def find_part(data_type: str, path: list[str]) -> bool | None:
    """Return whether a part of a data type is kept, None if the type has no such part."""
    if not path:
        return True
    parts = DATA_TYPES.get(data_type)
    if parts is None:
        return None
    name, *rest = path
    if name in parts.left_out:
        return False
    if name not in parts.kept:
        return None
    return find_part(parts.kept[name], rest) if rest else True


def describe_data_types() -> Iterator[str]:
    """Yield the rows of the page's table."""
    yield "| data type | kept | not kept |"
    yield "|---|---|---|"
    for name, (kept, left_out) in DATA_TYPES.items():
        note = f"; {_NOTES[name]}" if name in _NOTES else ""
        yield f"| {name} | {_words(kept) or 'nothing'}{note} | {_words(left_out)} |"


def _words(names: Mapping[str, str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
