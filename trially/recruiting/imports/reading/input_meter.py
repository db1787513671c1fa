"""Measure how much an import reads, and end the import at its limits."""

import time
from collections.abc import Callable

from trially.recruiting.imports.limits import ImportLimitError, ImportLimits, ImportTimeError

EXPANSION_FLOOR_BYTES = 4 * 2**20
"""A file may always expand to this size, because small regular files compress very well."""


class InputMeter:
    """Counts lines, unpacked bytes and time of one run of an import.

    Its methods raise `ImportLimitError` at a limit, and `ImportTimeError` at that of time. Both are
    raised through the decompressors, which handle neither. `clock` returns seconds.
    """

    def __init__(self, limits: ImportLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._ends_at = None if limits.most_seconds is None else clock() + limits.most_seconds
        self._lines = 0
        self._unpacked = 0
        self._stored: Callable[[], int] = lambda: 0

    def begin_file(self, stored: Callable[[], int]) -> None:
        """Begin a file. `stored` returns the number of its bytes, as stored, that were read."""
        self._unpacked, self._stored = 0, stored

    def count_line(self) -> None:
        """Count a line, and check the time."""
        self._lines += 1
        most = self.limits.most_lines
        if most is not None and self._lines > most:
            raise ImportLimitError(
                f"The input has more than {most:,} lines. Split it, and import each part."
            )
        self.check_time()

    def count_unpacked(self, unpacked: bytes) -> bytes:
        """Count bytes of the present file after decompression, and return them."""
        self._unpacked += len(unpacked)
        self.check_time()
        most = self.limits.most_expanded_bytes
        if most is not None and self._unpacked > most:
            raise ImportLimitError(
                f"The input is larger than {most:,} bytes when unpacked. Split it, and import each"
                " part."
            )
        ratio = self.limits.most_expansion
        if (
            ratio is not None
            and self._unpacked > EXPANSION_FLOOR_BYTES
            and self._unpacked > ratio * self._stored()
        ):
            raise ImportLimitError(
                f"The input expands to more than {ratio} times its compressed size. Import it"
                " without compression if this is intended."
            )
        return unpacked

    def check_time(self) -> None:
        """Check the time."""
        if self._ends_at is not None and self._clock() > self._ends_at:
            raise ImportTimeError(
                f"The import ran longer than {self.limits.most_seconds:g} seconds. Send the same"
                " input again to continue it."
            )
