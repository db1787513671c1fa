"""Values with comparators are judged alike by numpy and one by one."""

from decimal import Decimal
from itertools import product

import numpy as np
import pytest

from trially.recruiting.criteria.evaluation.values import Range, known_range
from trially.recruiting.matching.observed import FAILS, PASSES, UNDECIDED, _compare
from trially.recruiting.matching.selecting import COMPARATORS

ANSWERS = {True: PASSES, False: FAILS, None: UNDECIDED}
LOWS, HIGHS = (None, Decimal(3), Decimal(5)), (None, Decimal(5), Decimal(7))
VALUES = [Decimal(number) for number in range(2, 9)]


@pytest.mark.parametrize("comparator", COMPARATORS)
def test_a_value_with_a_comparator_is_a_range(comparator: str) -> None:
    for low, has_low, high, has_high in product(LOWS, (True, False), HIGHS, (True, False)):
        bounds = Range(low, has_low, high, has_high)
        found = _compare(bounds, comparator, np.array([float(value) for value in VALUES]))

        expected = [ANSWERS[bounds.has_all(known_range(comparator, value))] for value in VALUES]
        assert found.tolist() == expected, bounds
