"""What a tenant stores in shared tables, by the statistics of PostgreSQL."""

import pytest

from trially.advice.measuring import share_of_others


@pytest.mark.parametrize(
    ("rows", "distinct", "common", "expected"),
    [
        # One tenant has all rows, so another one has none.
        (1000, 1, {"a": 1.0}, 0),
        # Two of six tenants have half of the rows; the other four share the rest.
        (1000, 6, {"a": 0.3, "b": 0.2}, 0.125),
        # Each of 1,000 rows is of another tenant: pg_stats says -1, and names none of them.
        (1000, -1, {}, 0.001),
        # A table that is analysed and empty.
        (0, 0, {}, 0),
        (-1, -1, {}, 0),
    ],
)
def test_a_tenant_that_is_not_among_the_most_common_has_the_mean_of_the_others(
    rows: float, distinct: float, common: dict[str, float], expected: float
) -> None:
    assert share_of_others(rows, distinct, common) == pytest.approx(expected)
