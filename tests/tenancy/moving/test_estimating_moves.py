"""How much a move copies, and how long it takes."""

import pytest
from tenant_databases import TIERS

from trially.database.session import db, transaction
from trially.recruiting.sites.model import Site
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.moving.estimating import MeasuredRate, estimate

RATE = MeasuredRate(
    rows_per_second=10, bytes_per_second=10_000, applied_rows_per_second=100, shortest_pause=0.02
)
NAME = "A site with a name of some length"


@pytest.fixture(params=TIERS)
def measured(request, app, make_tenant):
    """A tenant with 25 sites, whose neighbour has more."""
    tenant, neighbour = make_tenant(request.param), make_tenant(request.param)
    for each, number in ((tenant, 25), (neighbour, 40)):
        with app.app_context(), tenant_context(str(each.id)), transaction():
            db.session.add_all([Site(name=f"{NAME} {each}") for each in range(number)])
    return tenant


def test_only_rows_of_the_tenant_count(app, measured):
    with app.app_context():
        estimated = estimate(measured.placement, RATE)

    sizes = {table.name: table for table in estimated.tables}
    assert sizes["site"].rows == 25
    assert 25 * len(NAME) < sizes["site"].bytes < 25 * 1_000
    assert estimated.rows == sum(table.rows for table in sizes.values())


def test_the_slower_of_rows_and_bytes_decides(app, measured):
    with app.app_context():
        by_rows = estimate(measured.placement, RATE)
        by_bytes = estimate(
            measured.placement, MeasuredRate(10**9, 100, RATE.applied_rows_per_second, 0.02)
        )

    assert by_rows.copy_seconds == by_rows.rows / 10
    assert by_bytes.copy_seconds == by_bytes.bytes / 100


def test_the_pause_grows_with_the_changes_that_wait(app, measured):
    with app.app_context():
        estimates = [estimate(measured.placement, RATE, rows) for rows in (0, 8)]

    assert [each.pause_seconds for each in estimates] == [0.02, pytest.approx(0.1)]
