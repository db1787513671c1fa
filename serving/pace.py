"""The minimum rate of a transfer."""

import math

from serving.limits import Limits


class Pace:
    """Says until when a transfer may go on.

    In every period of `grace_seconds`, `bytes_per_second` must have come on average. Times are
    those of `time.monotonic()`.
    """

    __slots__ = ("_end", "_grace", "_moved", "_period_end", "_quota")

    def __init__(self, limits: Limits, now: float, total_seconds: float = math.inf) -> None:
        self._grace = limits.grace_seconds
        self._quota = limits.grace_seconds * limits.bytes_per_second
        self._end = now + total_seconds
        self._period_end = now + self._grace
        self._moved = 0

    @property
    def deadline(self) -> float:
        """The time at which the transfer is too slow, unless more bytes come before."""
        return min(self._period_end, self._end)

    def record(self, count: int, now: float) -> None:
        """Record bytes. When they suffice for this period, the next one begins."""
        self._moved += count
        if self._moved >= self._quota:
            self._moved = 0
            self._period_end = now + self._grace

    def postpone(self, seconds: float) -> None:
        """Do not count a time in which nobody waited for the other side."""
        self._period_end += seconds
        self._end += seconds
