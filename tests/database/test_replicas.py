import pytest
from sqlalchemy import make_url

from trially.database.placement import Placement, on_replica
from trially.database.replicas import AWAY_SECONDS, ReplicaTracker, to_position


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tracker(clock):
    return ReplicaTracker(4.0, clock)


def test_the_oldest_position_within_the_maximum_lag_is_required(clock, tracker):
    for second, position in ((100, 10), (102, 20), (104, 30)):
        clock.now = second
        tracker.record_position(second, position)

    assert tracker.least_position() == 10
    clock.now = 104.5
    assert tracker.least_position() == 20
    clock.now = 108.5
    assert tracker.least_position() is None


def test_positions_close_together_are_one_sample(tracker):
    tracker.record_position(100, 10)
    tracker.record_position(100.9, 20)
    tracker.record_position(101, 30)

    assert [position for _, position in tracker._samples] == [10, 30]


def test_replicas_take_turns_and_unavailable_ones_are_skipped(clock, tracker):
    assert [tracker.choose(2) for _ in range(4)] == [0, 1, 0, 1]
    tracker.mark_unavailable(0, is_away=False)
    assert [tracker.choose(2) for _ in range(3)] == [1, 1, 1]
    tracker.mark_unavailable(1, is_away=True)
    assert tracker.choose(2) is None
    clock.now += 1
    assert tracker.choose(2) == 0
    tracker.mark_unavailable(0, is_away=True)
    clock.now += AWAY_SECONDS - 1
    assert tracker.choose(2) == 1


def test_a_position_is_parsed_and_written_as_postgresql_does():
    assert to_position("16/B374D848") == 0x16_B374D848
    url = make_url("postgresql+psycopg2://u:p@primary/d")
    placement = Placement(
        tenant_id="018f0000-0000-7000-8000-000000000000",
        bind_key="default/d",
        schema="tenant",
        epoch=3,
        url=url,
        replicas=(url, url.set(host="replica")),
    )

    replica = on_replica(placement, 1, to_position("16/B374D848"))

    assert (replica.bind_key, replica.server, replica.primary) == (
        "default@1/d",
        "default@1",
        "default",
    )
    assert replica.url.host == "replica"
    assert replica.opening.startswith("BEGIN READ ONLY;")
    assert "pg_last_wal_replay_lsn()>='16/B374D848' THEN 3 ELSE -1 END" in replica.opening
