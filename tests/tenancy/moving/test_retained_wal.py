"""The WAL that a slot retains, and its limits."""

import pytest

from trially.tenancy.lifecycle.moving.retained_wal import (
    DEFAULT_LIMIT_BYTES,
    LostSlotError,
    WalLimit,
    retained_wal,
    wal_limit,
)
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

MEGABYTE = 2**20


@pytest.fixture
def raw(app):
    with app.app_context(), server_access().administer("template1") as raw:
        yield raw


def test_the_retained_bytes_grow_with_what_is_written(raw):
    execute(raw, "SELECT pg_create_logical_replication_slot('retaining', 'pgoutput', true)")
    before = retained_wal(raw, "retaining")
    execute(raw, "SELECT pg_logical_emit_message(false, 'x', repeat('x', 2000000), true)")

    assert before >= 0
    assert retained_wal(raw, "retaining") >= before + 2_000_000


def test_a_slot_that_is_gone_is_told(raw):
    with pytest.raises(LostSlotError, match="The replication slot gone is lost"):
        retained_wal(raw, "gone")


def test_the_limit_stays_below_the_servers_own(raw):
    assert wal_limit(raw) == WalLimit(DEFAULT_LIMIT_BYTES)
    execute(raw, "ALTER SYSTEM SET max_slot_wal_keep_size = '100MB'")
    try:
        execute(raw, "SELECT pg_reload_conf()")
        with server_access().administer("template1") as reloaded:
            assert wal_limit(reloaded) == WalLimit(80 * MEGABYTE)
    finally:
        execute(raw, "ALTER SYSTEM RESET max_slot_wal_keep_size")
        execute(raw, "SELECT pg_reload_conf()")


def test_the_alarm_comes_before_the_end():
    limit = WalLimit(100)

    assert [limit.is_alarming(each) for each in (49, 50, 100)] == [False, True, True]
    assert [limit.is_reached(each) for each in (49, 99, 100)] == [False, False, True]
