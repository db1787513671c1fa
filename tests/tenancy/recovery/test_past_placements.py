"""The catalog's log tells where a tenant was at a time, also after moves."""

import datetime as dt
import time

import pytest
from flask import Flask

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_back, move_tenant
from trially.tenancy.recovery.errors import OutsideIntervalError, RecoveryError
from trially.tenancy.recovery.past_placements import placement_at
from trially.tenancy.recovery.times import read_time


def now() -> dt.datetime:
    time.sleep(0.01)
    return dt.datetime.now(dt.UTC)


def test_a_tenant_that_moved_twice_is_found_where_it_was(app: Flask, make_tenant) -> None:
    before = now()
    tenant = make_tenant(Tier.OWN_SCHEMA)
    first = now()
    with app.app_context():
        move_tenant(tenant.slug, Tier.POOLED_ROWS, None, MoveOptions(max_pause=5))
        second = now()
        move_back(tenant.slug, MoveOptions(max_pause=5, keep_seconds=0))
        third = now()

        found = [placement_at(tenant.id, each) for each in (first, second, third)]
        with pytest.raises(OutsideIntervalError, match="did not exist"):
            placement_at(tenant.id, before)

    assert [each.tier for each in found] == [Tier.OWN_SCHEMA, Tier.POOLED_ROWS, Tier.OWN_SCHEMA]
    assert found[0] == found[2]
    assert found[0].database == tenant.placement.database


@pytest.mark.parametrize(
    ("text", "words"),
    [("2026-11-27T09:30:00", "time zone"), ("yesterday", "ISO 8601"), ("", "ISO 8601")],
)
def test_a_time_without_an_offset_is_refused_with_a_hint(text: str, words: str) -> None:
    with pytest.raises(RecoveryError, match=words):
        read_time(text, dt.datetime(2026, 11, 27, tzinfo=dt.UTC))


def test_a_time_has_an_offset(app: Flask) -> None:
    at = read_time("2026-11-27T09:30:00-05:00", dt.datetime.now(dt.UTC))

    assert at == dt.datetime(2026, 11, 27, 14, 30, tzinfo=dt.UTC)
    assert read_time("2026-11-27 14:30Z", dt.datetime.now(dt.UTC)) == at
