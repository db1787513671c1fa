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
    for position, number in enumerate(sorted(set(numbers))):
        rest = number - last if position else number
        last = number
        while rest >= _MORE:
            packed.append(rest & 0x7F | _MORE)
            rest >>= 7
        packed.append(rest)
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
