"""No tenant and no server can hold all threads of a process."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import pytest
from cycle_views import ReplaceView
from flask import Flask, Response
from members import AsMember, MakeTenant

from trially.request_cycle.bulkheads import (
    RESERVED_THREADS,
    SERVER_PATIENCE_SECONDS,
    TENANT_PATIENCE_SECONDS,
    Bulkheads,
    FullError,
)
from trially.state import state_of

OURS, THEIRS, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_stuck_tenant_holds_no_more_than_its_share_and_others_run() -> None:
    clock = Clock()
    bulkheads = Bulkheads(8, 0.5, clock)
    held = [bulkheads.enter(OURS, "a") for _ in range(4)]
    clock.now += TENANT_PATIENCE_SECONDS + 0.01

    with pytest.raises(FullError):
        bulkheads.enter(OURS, "a")
    bulkheads.leave(*bulkheads.enter(THEIRS, "a"))
    bulkheads.leave(*held.pop())
    bulkheads.leave(*bulkheads.enter(OURS, "a"))

    assert bulkheads.running() == {OURS: 3}
    assert bulkheads.refusals == {OURS: 1}


def test_a_tenant_stays_stuck_until_a_request_of_it_ends_quickly() -> None:
    clock = Clock()
    bulkheads = Bulkheads(8, 0.5, clock)
    held = [bulkheads.enter(OURS, "a") for _ in range(4)]
    clock.now += 3  # as long as a lock_timeout
    for each in held:
        bulkheads.leave(*each)
    held = [bulkheads.enter(OURS, "a") for _ in range(4)]

    # The next ones have only begun, but nothing shows that they will end sooner. If this request
    # waited, the test would not end, because its clock stands still.
    with pytest.raises(FullError):
        bulkheads.enter(OURS, "a")

    bulkheads.leave(*held.pop())  # quickly
    bulkheads.enter(OURS, "a")
    assert not bulkheads._compartments[OURS].is_stuck(clock.now)


def test_a_slow_end_among_quick_ones_refuses_nobody() -> None:
    clock = Clock()
    bulkheads = Bulkheads(8, 0.5, clock)
    held = [bulkheads.enter(OURS, "a") for _ in range(4)]
    clock.now += 3
    bulkheads.leave(*bulkheads.enter(THEIRS, "a"))
    for each in held:
        bulkheads.leave(*each)

    assert not bulkheads._compartments["a"].is_stuck(clock.now)
    assert bulkheads._compartments[OURS].is_stuck(clock.now)


def test_only_a_request_that_waits_gives_its_thread_to_others() -> None:
    bulkheads = Bulkheads(8, 0.5)
    waited: list[UUID] = []

    @contextmanager
    def waiting() -> Iterator[None]:
        # Another thread may enter and leave meanwhile.
        bulkheads.leave(*bulkheads.enter(THEIRS, "a", waiting))
        bulkheads.leave(*held.pop())
        yield
        waited.append(OURS)
        bulkheads.leave(*held.pop())

    held = [bulkheads.enter(OURS, "a", waiting) for _ in range(4)]
    assert waited == []

    bulkheads.enter(OURS, "a", waiting)

    assert waited == [OURS]
    assert bulkheads.running() == {OURS: 3}


def test_a_stuck_server_leaves_threads_to_other_servers() -> None:
    clock = Clock()
    bulkheads = Bulkheads(8, 0.5, clock)
    for tenant in (OURS, THEIRS):
        for _ in range((8 - RESERVED_THREADS) // 2):
            bulkheads.enter(tenant, "frozen")
    clock.now += SERVER_PATIENCE_SECONDS + 0.01

    with pytest.raises(FullError):
        bulkheads.enter(THIRD, "frozen")
    bulkheads.enter(THIRD, "well")


def test_a_busy_tenant_whose_requests_flow_is_not_refused() -> None:
    bulkheads = Bulkheads(8, 0.5)
    refused = []

    def request(_number: int) -> None:
        try:
            occupied = bulkheads.enter(OURS, "a")
        except FullError:
            refused.append(1)
            return
        time.sleep(0.005)
        bulkheads.leave(*occupied)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(request, range(200)))

    assert not refused
    assert bulkheads.waits[OURS]
    assert bulkheads.running() == {}


def test_compartments_of_quiet_tenants_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trially.request_cycle.bulkheads.COMPARTMENTS_KEPT", 10)
    bulkheads = Bulkheads(8, 0.5)
    held = bulkheads.enter(OURS, "a")
    for number in range(100):
        bulkheads.leave(*bulkheads.enter(UUID(int=number + 10), "a"))
    bulkheads.leave(*held)

    assert len(bulkheads._compartments) <= 10


def test_requests_above_the_share_get_503_and_free_their_thread(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    answer_me_with: ReplaceView,
) -> None:
    stuck, neighbour = as_member(make_tenant()), as_member(make_tenant())
    is_over = threading.Event()

    def view() -> Response:
        from trially.tenancy.context import current_tenant

        if current_tenant().tenant_id == stuck.tenant.id:
            is_over.wait(20)
        return Response(status=204)

    answer_me_with(view)
    share = state_of(app).bulkheads._of_tenant[0]
    clients = [as_member(stuck.tenant) for _ in range(share + 3)]
    with ThreadPoolExecutor(len(clients)) as threads:
        answers = [threads.submit(client.get, "/me") for client in clients]
        while not any(each.done() for each in answers):
            time.sleep(0.01)
        assert neighbour.get("/me").status_code == 204
        while sum(each.done() for each in answers) < 3:
            time.sleep(0.01)
        is_over.set()
        statuses = sorted(each.result().status_code for each in answers)
        refused = next(each.result() for each in answers if each.result().status_code == 503)

    assert statuses == [204] * share + [503] * 3
    assert refused.json["code"] == "tenant_busy"
    assert int(refused.headers["Retry-After"]) >= 1
    assert stuck.get("/me").status_code == 204
    assert state_of(app).bulkheads.running() == {}
