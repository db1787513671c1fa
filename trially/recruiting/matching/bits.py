"""Sets of patients as Python integers: bit n is the patient with the ordinal n."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


def pack(flags: Flags) -> int:
    """Return the set of the ordinals whose flag is true."""
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def unpack(bits: int, size: int) -> Flags:
    """Return a flag for each ordinal below `size`."""
    length = (size + 7) // 8
    packed = np.frombuffer((bits & ((1 << size) - 1)).to_bytes(length, "little"), np.uint8)
    return np.unpackbits(packed, bitorder="little", count=size).astype(np.bool_)


def set_of(ordinals: Iterable[int]) -> int:
    """Return the set of some ordinals."""
    listed = np.fromiter(ordinals, np.int64)
    if not len(listed):
        return 0
    flags = np.zeros(int(listed.max()) + 1, np.bool_)
    flags[listed] = True
    return pack(flags)
