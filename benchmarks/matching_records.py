"""Write FHIR files of many patients: copies of 615 synthetic ones, in the order of time.

Each copy has other ids, dates and values, so that no two patients are alike. A patient's records
are scattered over the files, as they are when a hospital sends each day's records: an import stores
them in this order, which is the hardest one for reading all records of a patient.
"""

import datetime as dt
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

TYPES = (
    *("Encounter", "Condition", "MedicationRequest", "Procedure", "Immunization"),
    *("AllergyIntolerance", "Observation"),
)
YEARS = 10
"""Years before today of which records are written: some 150 records of each patient."""

_UUID = re.compile(rb"[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_DAY = re.compile(rb'(?<=")\d{4}-\d\d-\d\d(?=["T])')
_VALUE = re.compile(rb'"value":(-?\d+(?:\.\d+)?),"unit":"([^"]*)"')
_DATE = re.compile(
    rb'"(?:effectiveDateTime|onsetDateTime|recordedDate|authoredOn|start|occurrenceDateTime)"'
    rb':"(\d{4}-\d\d-\d\d)'
)
_OTHER_UNITS = {
    b"4548-4": (b"%", b"mmol/mol", -2.15, 10.929),
    b"38483-4": (b"mg/dL", b"umol/L", 0.0, 88.42),
}
"""Codes of which every second copy has another unit: with what is added first, and the factor."""

_ROUGH_EACH, _ERROR_EACH, _COMPARED_EACH = 25, 250, 160


@dataclass(frozen=True)
class Written:
    """The files of an import."""

    patients: Path
    records: Path
    patient_count: int
    record_count: int


def write_files(source: Path, target: Path, patients: int, today: dt.date) -> Written:
    """Write the patients and their records of the last years, and return what was written."""
    people = [orjson.loads(line) for line in _lines(source, "Patient")]
    copies = -(-patients // len(people))
    written = Written(target / "Patient.ndjson.gz", target / "records.ndjson.gz", patients, 0)
    kept = patients - (copies - 1) * len(people)
    in_last = {each["id"].encode() for each in people[:kept]}
    lines, days = _records(source)
    newest = int(days.max())
    shifts = today.toordinal() - 1 - newest - np.arange(copies) * 37 % 700
    with gzip.open(written.patients, "wb", compresslevel=1) as file:
        for copy in range(copies):
            for person in people[: kept if copy == copies - 1 else None]:
                file.write(_copy_person(person, copy, int(shifts[copy])) + b"\n")
    first = today.toordinal() - YEARS * 365
    moved = days[None, :] + shifts[:, None]
    pairs = np.argwhere(moved >= first)
    pairs = pairs[np.argsort(moved[pairs[:, 0], pairs[:, 1]], kind="stable")]
    count = 0
    with gzip.open(written.records, "wb", compresslevel=1) as file:
        for copy, number in pairs.tolist():
            line = lines[number]
            if copy < copies - 1 or _patient_of(line) in in_last:
                file.write(_copy_record(line, number, copy, int(shifts[copy])))
                count += 1
    return Written(written.patients, written.records, patients, count)


def _lines(source: Path, kind: str) -> Iterator[bytes]:
    with gzip.open(source / f"{kind}.ndjson.gz", "rb") as file:
        yield from file


def _records(source: Path) -> tuple[list[bytes], "np.ndarray[tuple[int], np.dtype[np.int64]]"]:
    """Return all records, and the days on which they began."""
    found = [
        (line, match[1])
        for kind in TYPES
        for line in _lines(source, kind)
        if (match := _DATE.search(line))
    ]
    days = [dt.date.fromisoformat(day.decode()).toordinal() for _, day in found]
    return [line for line, _ in found], np.array(days, np.int64)


def _patient_of(line: bytes) -> bytes:
    return line.partition(b'"Patient/')[2][:36]


def _copy_person(person: dict[str, object], copy: int, shift: int) -> bytes:
    name = f"Family{person['id'][:4]}x{copy}"  # type: ignore[index]
    line = orjson.dumps(
        {
            "resourceType": "Patient",
            "id": person["id"],
            "name": [{"family": name, "given": [f"Given{copy}"]}],
            "gender": person["gender"],
            "birthDate": person["birthDate"],
            **{name: person[name] for name in ("deceasedDateTime",) if name in person},
        }
    )
    return _move(line, copy, shift)


def _copy_record(line: bytes, number: int, copy: int, shift: int) -> bytes:
    """Return a record of another patient. Some are roughly dated, withdrawn or compared."""
    chance = number * 7 + copy * 13
    line = _move(line, copy, shift)
    if line.startswith(b'{"resourceType":"Observation"'):
        line = _vary(line, copy, chance)
    elif line.startswith(b'{"resourceType":"Condition"') and chance % _ROUGH_EACH == 0:
        line = re.sub(rb'("onsetDateTime":"\d{4}-\d\d)[^"]*', rb"\1", line)
    return line


def _move(line: bytes, copy: int, shift: int) -> bytes:
    """Return a resource with other ids, so many days later."""
    line = _UUID.sub(lambda found: b"%08x" % ((int(found[0], 16) + copy) & 0xFFFFFFFF), line)
    return _DAY.sub(lambda found: _moved_day(found[0], shift), line)


_known_days: dict[tuple[bytes, int], bytes] = {}


def _moved_day(day: bytes, shift: int) -> bytes:
    found = _known_days.get((day, shift))
    if found is None:
        moved = dt.date.fromisoformat(day.decode()) + dt.timedelta(days=shift)
        found = _known_days[day, shift] = moved.isoformat().encode()
    return found


def _vary(line: bytes, copy: int, chance: int) -> bytes:
    """Return an observation with other values, and the units of another laboratory."""
    if chance % _ERROR_EACH == 0:
        return line.replace(b'"status":"final"', b'"status":"entered-in-error"')
    factor = 0.85 + chance % 61 / 200
    other = next((unit for code, unit in _OTHER_UNITS.items() if code in line), None)

    def varied(found: "re.Match[bytes]") -> bytes:
        value, unit = float(found[1]) * factor, found[2]
        if other is not None and copy % 2 and unit == other[0]:
            value, unit = (value + other[2]) * other[3], other[1]
        compared = b'"comparator":"<",' if chance % _COMPARED_EACH == 1 else b""
        return b'"value":%.1f,%s"unit":"%s"' % (value, compared, unit)

    line = _VALUE.sub(varied, line)
    if other is not None and copy % 2:
        line = line.replace(b'"code":"%s"}' % other[0], b'"code":"%s"}' % other[1])
    return line
