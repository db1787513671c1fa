"""How long a backfill of many tenants still takes."""

import pytest

from trially.backfills.pace import Pace


def test_the_rest_is_that_of_tenants_that_have_begun_and_of_those_that_wait() -> None:
    pace = Pace(4, _began=0.0)
    assert pace.seconds_left is None

    with pace.tenant() as first, pace.tenant() as second:
        first.expect(100)
        second.expect(300)
        first.visit(100)
        second.visit(50)
        rows = pace.seconds_left * pace.rate
    # 250 of the second tenant, and 2 tenants that have 200 rows on average
    assert rows == pytest.approx(650)

    # The second tenant has ended without the rest, because it failed.
    assert pace.seconds_left * pace.rate == pytest.approx(400)
