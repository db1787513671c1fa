"""A snapshot that is read for long has limits of its own, which end with it."""

from flask import Flask
from members import MakeTenant
from sqlalchemy import text

from trially.database.session import db, transaction
from trially.database.snapshots import Snapshot, snapshot
from trially.database.watching import GRACE_SECONDS, WatchedConnection
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

LIMITS = (
    "SELECT current_setting('statement_timeout'),"
    " current_setting('idle_in_transaction_session_timeout')"
)


def limits_of(taken: Snapshot) -> tuple[str, str, float]:
    assert isinstance(taken.raw, WatchedConnection)
    with taken.raw.cursor() as cursor:
        cursor.execute(LIMITS)
        [(statement, idle)] = cursor.fetchall()
    return statement, idle, taken.raw.longest_seconds


def test_a_long_snapshot_is_not_ended_by_the_limits_of_requests(
    app: Flask, make_tenant: MakeTenant
) -> None:
    slug = make_tenant(Tier.OWN_SCHEMA).slug
    with app.app_context(), tenant_context(slug):
        with transaction(), snapshot() as taken:
            usual = limits_of(taken)
        assert usual[:2] == ("30s", "1min")
        with transaction():
            with snapshot(7200) as taken:
                longer = limits_of(taken)
                raw = taken.raw
            idle = db.session.execute(text(LIMITS)).one()[1]
            assert isinstance(raw, WatchedConnection)
            assert raw.longest_seconds == usual[2]
        assert longer == ("2h", "2h", 7200 + GRACE_SECONDS)
        assert idle == "2h"
        with transaction(), snapshot() as taken:
            assert limits_of(taken) == usual
            assert db.session.execute(text(LIMITS)).one()[1] == "1min"
