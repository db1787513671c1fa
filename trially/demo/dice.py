"""Random draws that are the same for a seed on every version of Python."""

import hashlib
import random
from collections.abc import Sequence
from datetime import date, timedelta
from math import fsum
from typing import TypeVar

Choice = TypeVar("Choice")


def number_from(seed: str) -> int:
    """Return a large number derived from a seed, the same on every machine."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest())


class Dice:
    """A seeded random generator.

    Python guarantees the sequence of `random()` for a seed, but not that of `choice`, `gauss` or
    `randint`, so all methods use `random()` only. Sums use `fsum`, because `sum` rounds floats
    differently from Python 3.12 on.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(number_from(seed)).random  # noqa: S311 - nothing secret

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self._random() < probability

    def between(self, low: float, high: float) -> float:
        """Return a uniformly distributed number."""
        return low + (high - low) * self._random()

    def whole(self, low: int, high: int) -> int:
        """Return a uniformly distributed integer, both ends included."""
        return low + int(self._random() * (high - low + 1))

    def around(self, middle: float, spread: float, low: float, high: float) -> float:
        """Return a normally distributed number with this mean and deviation, clipped to bounds."""
        bell = fsum(self._random() for _ in range(12)) - 6.0
        return min(high, max(low, middle + spread * bell))

    def choose(self, choices: Sequence[Choice]) -> Choice:
        """Return one of the choices; all are equally likely."""
        return choices[int(self._random() * len(choices))]

    def weigh(self, choices: Sequence[tuple[Choice, float]]) -> Choice:
        """Return one of the choices; its weight is its relative probability."""
        left = self._random() * fsum(weight for _, weight in choices)
        for choice, weight in choices:
            left -= weight
            if left < 0:
                return choice
        return choices[-1][0]

    def before(self, day: date, fewest: int, most: int) -> date:
        """Return a day that is `fewest` to `most` days before another."""
        return day - timedelta(days=self.whole(fewest, most))
