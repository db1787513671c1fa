"""A set of audit numbers as bytes: the differences of the sorted numbers, as varints.

A varint (LEB128, as in Protocol Buffers) has seven bits of the number in each byte, the lowest
first; the highest bit says that another byte follows. Fifty patients in a row take 51 bytes or
little more.
"""

from collections.abc import Iterable, Iterator

_MORE = 0x80


def pack(numbers: Iterable[int]) -> bytes:
    """Return a set of non-negative numbers as bytes. Equal numbers are stored once."""
    packed = bytearray()
    last = 0
    for number in sorted(set(numbers)):
        step = number - last
        if step < _MORE:
            packed.append(step)
        else:
            packed += pack_number(step)
        last = number
    return bytes(packed)


def unpack(packed: bytes) -> Iterator[int]:
    """Yield the numbers of a set, in ascending order. Raises `ValueError` if the bytes are cut."""
    number = rest = shift = 0
    for byte in packed:
        rest |= (byte & 0x7F) << shift
        shift += 7
        if byte < _MORE:
            number += rest
            yield number
            rest = shift = 0
    if shift:
        raise ValueError("The bytes of a set of audit numbers are cut off.")


def count(packed: bytes) -> int:
    """Return how many numbers a set has."""
    return sum(byte < _MORE for byte in packed)


def contains(packed: bytes, number: int) -> bool:
    """Return whether a number is in a set. It is called for thousands of sets in a search."""
    total = rest = shift = 0
    for byte in packed:
        if byte >= _MORE:
            rest |= (byte & 0x7F) << shift
            shift += 7
            continue
        total += rest | byte << shift
        if total >= number:
            return total == number
        rest = shift = 0
    return False


def pack_number(number: int) -> bytes:
    """Return one number as a varint."""
    if number < _MORE:
        return bytes((number,))
    packed = bytearray()
    while number >= _MORE:
        packed.append(number & 0x7F | _MORE)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def take_number(packed: bytes, at: int) -> tuple[int, int]:
    """Return the number whose varint begins at `at`, and where the next one begins."""
    number = shift = 0
    while True:
        byte = packed[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < _MORE:
            return number, at
        shift += 7
