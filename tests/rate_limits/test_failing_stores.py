"""A store that is away, hangs or lies refuses no request, and lets none exceed a limit."""

import logging

import pytest
from false_stores import answering, dead_store, frozen_store
from limited import Clock, MakeLimiter, let_through, of_tenant

from trially.observability.limit_metrics import limit_store_failures_total
from trially.rate_limits import store
from trially.rate_limits.store import PAUSE_SECONDS, Store

TOO_MUCH = b":9223372036854775807\r\n"


def failures(reason: str) -> float:
    return limit_store_failures_total.labels(reason)._value.get()


@pytest.mark.parametrize(("processes", "share"), [(1, 10), (2, 5), (3, 3), (40, 1)])
def test_without_a_store_each_process_allows_its_share(
    make_limiter: MakeLimiter, processes: int, share: int
) -> None:
    assert let_through(make_limiter(processes=processes), of_tenant(10), attempts=30) == share


def test_a_dead_store_leaves_each_process_its_share(make_limiter: MakeLimiter) -> None:
    before = failures("error")

    assert let_through(make_limiter(dead_store()), of_tenant(10), attempts=30) == 5
    assert failures("error") == before + 1


def test_a_frozen_store_leaves_each_process_its_share(make_limiter: MakeLimiter) -> None:
    before = failures("timeout") + failures("error")
    with frozen_store() as url:
        assert let_through(make_limiter(url), of_tenant(10), attempts=30) == 5

    # It was asked once: after that, nothing waits for it.
    assert failures("timeout") + failures("error") == before + 1


def test_a_store_that_answers_byte_by_byte_is_given_up(make_limiter: MakeLimiter) -> None:
    before = failures("timeout")
    with answering(b":0000000000000000000000000001\r\n", pause=0.03) as url:
        assert let_through(make_limiter(url), of_tenant(10), attempts=30) == 5

    assert failures("timeout") == before + 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"-ERR no\r\n", "error"),
        (b"+OK\r\n", "error"),
        (b"$-1\r\n", "error"),
        (b"$3\r\nabc\r\n", "error"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "error"),
        (b"*1\r\n:1\r\n", "error"),
        (b":0\r\n", "nonsense"),
        (b":-5\r\n", "nonsense"),
        (TOO_MUCH, "nonsense"),
    ],
)
def test_nonsense_leaves_each_process_its_share(
    make_limiter: MakeLimiter, reply: bytes, reason: str
) -> None:
    before = failures(reason)
    with answering(reply) as url:
        assert let_through(make_limiter(url), of_tenant(10), attempts=30) == 5

    assert failures(reason) == before + 1


def test_a_store_that_forgets_lets_no_process_exceed_the_limit(make_limiter: MakeLimiter) -> None:
    with answering(b":1\r\n") as url:
        assert let_through(make_limiter(url), of_tenant(10), attempts=30) == 5


def test_a_store_that_dies_takes_back_nothing_and_grants_no_more_than_the_share(
    make_limiter: MakeLimiter,
) -> None:
    replies = [b":%d\r\n" % number for number in range(1, 8)]
    with answering(*replies, b"-ERR no\r\n") as url:
        assert let_through(make_limiter(url), of_tenant(10), attempts=30) == 7


def test_the_store_is_asked_again_after_a_pause(
    store_url: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    moved = Store(dead_store(), clock)
    with caplog.at_level(logging.WARNING, store.__name__):
        assert moved.add("key", 1, 60) is None
        moved._storage = Store(store_url)._storage
        assert moved.add("key", 1, 60) is None
        clock.now += PAUSE_SECONDS
        assert moved.add("key", 1, 60) == 1
        moved.trust()

    assert [record.message for record in caplog.records] == [
        "The store of limits fails (ConnectionError). Each process allows its share of them.",
        "The store of limits works again, after 5 s.",
    ]
