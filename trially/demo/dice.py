"""Draw the same chances from the same seed on every version of Python."""

import hashlib
import random
from collections.abc import Sequence
from datetime import date, timedelta
from math import fsum
from typing import TypeVar

Choice = TypeVar("Choice")


def number_from(seed: str) -> int:
    """Turn a seed into a large number, the same everywhere."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest())


class Dice:
    """A seeded source of chances.

    Python promises that `random()` never changes for a seed, and nothing of the
    kind about `choice`, `gauss` or `randint`: everything here is built on it alone.
    Numbers are added by `fsum`, as `sum` rounds floats otherwise since Python 3.12.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(number_from(seed)).random  # noqa: S311 - nothing secret

    def chance(self, probability: float) -> bool:
        """Say yes with this probability."""
        return self._random() < probability

    def between(self, low: float, high: float) -> float:
        """Draw a number, every one equally likely."""
        return low + (high - low) * self._random()

    def whole(self, low: int, high: int) -> int:
        """Draw a whole number, both ends included."""
        return low + int(self._random() * (high - low + 1))

    def around(self, middle: float, spread: float, low: float, high: float) -> float:
        """Draw from a bell curve with this standard deviation, kept within bounds."""
        bell = fsum(self._random() for _ in range(12)) - 6.0
        return min(high, max(low, middle + spread * bell))

    def choose(self, choices: Sequence[Choice]) -> Choice:
        """Pick one, every one equally likely."""
        return choices[int(self._random() * len(choices))]

    def weigh(self, choices: Sequence[tuple[Choice, float]]) -> Choice:
        """Pick one by its weight."""
        left = self._random() * fsum(weight for _, weight in choices)
        for choice, weight in choices:
            left -= weight
            if left < 0:
                return choice
        return choices[-1][0]

    def before(self, day: date, fewest: int, most: int) -> date:
        """Pick a day this many days before another."""
        return day - timedelta(days=self.whole(fewest, most))
