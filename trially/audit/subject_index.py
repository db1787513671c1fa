"""An index of the patients in some consecutive audit records, as a few strings of bytes.

`record_ids` has the ids of the records, 16 bytes each. `entries` has for each patient, in the order
of the audit numbers, the places of the patient's records in `record_ids`. The numbers are divided
into buckets of equal width, `2 ** shift`. `directory` says where each bucket begins in `entries`.
So a search reads 8 bytes of the directory and one bucket, however large the index is.

A bucket is a sequence of: the number's distance from the bucket's first number and the length of
what follows, both as varints; and the places, packed as in `subjects`.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from sys import byteorder

from trially.audit.subjects import pack, pack_number, take_number, unpack

NUMBERS_IN_BUCKET = 8
"""Roughly as many patients are in each bucket."""


@dataclass(frozen=True)
class SubjectIndex:
    """The bytes of an index, as the table `audit_subject` stores them."""

    first_number: int
    shift: int
    record_ids: bytes
    directory: bytes
    entries: bytes


def build_index(records: Iterable[tuple[bytes, bytes | None]]) -> SubjectIndex:
    """Return the index of records: the id and the packed subjects of each."""
    ids = bytearray()
    places: dict[int, list[int]] = {}
    for place, (id_, subjects) in enumerate(records):
        ids += id_
        for number in unpack(subjects or b""):
            places.setdefault(number, []).append(place)
    numbers = sorted(places)
    first = numbers[0] if numbers else 0
    shift = _shift_for(numbers)
    entries, starts = bytearray(), array("I")
    for number in numbers:
        bucket, distance = (number - first) >> shift, (number - first) & ((1 << shift) - 1)
        starts.extend([len(entries)] * (bucket + 1 - len(starts)))
        packed = pack(places[number])
        entries += pack_number(distance) + pack_number(len(packed)) + packed
    starts.append(len(entries))
    if byteorder == "little":
        starts.byteswap()
    return SubjectIndex(first, shift, bytes(ids), starts.tobytes(), bytes(entries))


def places_in(bucket: bytes, distance: int) -> Iterator[int]:
    """Yield the places of a number's records, from the number's bucket.

    `distance` is that from the bucket's first number.
    """
    at = 0
    while at < len(bucket):
        number, at = take_number(bucket, at)
        length, at = take_number(bucket, at)
        if number == distance:
            yield from unpack(bucket[at : at + length])
            return
        at += length


def _shift_for(numbers: Sequence[int]) -> int:
    """Return the width of the buckets: a bucket holds `NUMBERS_IN_BUCKET` on average, or more."""
    if not numbers:
        return 0
    buckets = max(1, len(numbers) // NUMBERS_IN_BUCKET)
    return ((numbers[-1] - numbers[0]) // buckets).bit_length()
