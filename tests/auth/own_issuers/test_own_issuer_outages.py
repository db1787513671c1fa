"""A silent issuer of one tenant holds few threads, and delays no other tenant."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from http_issuers import RSA, Issuer
from joserfc.jwk import RSAKey
from members import Member
from own_issuers import Registered, refused

from trially.auth.own_issuers.bounds import (
    MOST_FETCHES_OF_TENANT,
    MOST_WAITING_OF_TENANT,
    Bounds,
    PartOf,
)
from trially.auth.own_issuers.verifying import STRANGE_AT_ONCE
from trially.auth.rate_limit import RateLimit
from trially.request_cycle import refusal_time
from trially.state import state_of

REQUESTS = 12


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal_time, "REFUSAL_SECONDS", 0.001)


def forget_tokens(member: Member) -> None:
    """Let the app verify each token again."""
    state_of(member.app).token_verifier._valid.forget(lambda _: True)


def test_a_silent_issuer_delays_no_other_tenant(
    proven: Registered,
    neighbour: Member,
    other_issuer: Issuer,
    prove_for: Callable[[Member, Issuer], Registered],
) -> None:
    theirs = prove_for(neighbour, other_issuer)
    victim = theirs.add("victim")
    assert victim.get("/me").status_code == 200
    proven.issuer.delay = 4.0
    unknown = RSAKey.generate_key(2048, {"kid": "never-published"})
    tokens = [proven.sign("ann", key=unknown, jti=str(number)) for number in range(REQUESTS)]
    fetching: list[int] = []

    def measure(member: Member) -> float:
        began = time.perf_counter()
        answer = member.get("/me")
        fetching.append(sum(each.name == "issuer-keys" for each in threading.enumerate()))
        assert answer.status_code in (200, 503), answer.text
        return time.perf_counter() - began

    with ThreadPoolExecutor(REQUESTS) as pool:
        silent = [pool.submit(measure, proven.client(token)) for token in tokens]
        time.sleep(0.2)
        forget_tokens(victim)
        other = [measure(victim), measure(theirs.owner)]
        seconds = sorted(each.result() for each in silent)

    assert max(other) < 1.0, other
    # Few requests wait for the issuer. The others are answered at once, with a 503.
    assert sum(each > 0.45 for each in seconds) <= 2 * MOST_WAITING_OF_TENANT, seconds
    assert max(fetching) <= MOST_FETCHES_OF_TENANT


def test_members_with_cached_keys_are_served_while_the_issuer_is_down(proven: Registered) -> None:
    ann = proven.add("ann")
    assert ann.get("/me").status_code == 200
    proven.issuer.stop()
    forget_tokens(ann)
    assert ann.get("/me").status_code == 200

    unknown = RSAKey.generate_key(2048, {"kid": "newer"})
    later = proven.client(proven.sign("ann", key=unknown)).get("/me")
    assert refused(later) == (503, "issuer_unavailable")
    assert int(later.headers["Retry-After"]) >= 1


def test_an_issuer_that_is_down_is_not_proven(registered: Registered) -> None:
    registered.issuer.stop()
    assert refused(registered.present(registered.sign("x"))) == (503, "issuer_unavailable")
    registered.issuer.repair()
    deadline = time.monotonic() + 5
    while registered.present(registered.sign("x")).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_strangers_who_invent_audiences_are_looked_up_at_a_limited_rate(
    proven: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = proven.add("ann")
    assert ann.get("/me").status_code == 200
    known = state_of(ann.app).own_issuers
    monkeypatch.setattr(known, "_strange", RateLimit(STRANGE_AT_ONCE, 1000.0))

    def invent() -> tuple[int, str]:
        audience = f"urn:trially:tenant:{uuid4()}:issuer:{uuid4()}"
        return refused(proven.client(proven.sign("x", aud=audience)).get("/me"))

    answers = [invent() for _ in range(STRANGE_AT_ONCE + 3)]

    assert answers[:STRANGE_AT_ONCE] == [(401, "invalid_token")] * STRANGE_AT_ONCE
    assert set(answers[STRANGE_AT_ONCE:]) == {(503, "issuer_unavailable")}
    forget_tokens(ann)
    assert ann.get("/me").status_code == 200, "A familiar issuer is not limited."


def test_strangers_learn_nothing_about_tenants_and_issuers(
    proven: Registered, registered: Registered, neighbour: Member
) -> None:
    tenant_id, issuer_id = neighbour.tenant.id, proven.body["id"]
    foreign = RSAKey.generate_key(2048, {"kid": RSA.kid})
    answers = set()
    for audience in (
        proven.body["audience"],
        f"urn:trially:tenant:{tenant_id}:issuer:{issuer_id}",
        f"urn:trially:tenant:{tenant_id}:issuer:{uuid4()}",
        f"urn:trially:tenant:{uuid4()}:issuer:{uuid4()}",
        "https://api.trially.ai",
    ):
        answer = proven.client(proven.sign("x", key=foreign, aud=audience)).get("/me")
        answers.add((*refused(answer), answer.json["detail"]))
    assert len(answers) == 1


def test_places_are_given_back() -> None:
    shared = threading.Semaphore(3)
    ours, theirs = PartOf(shared, 2), PartOf(shared, 2)
    assert [ours.acquire(blocking=False) for _ in range(3)] == [True, True, False]
    assert [theirs.acquire(blocking=False) for _ in range(2)] == [True, False]
    ours.release()
    assert theirs.acquire(blocking=False)
    assert not ours.acquire(blocking=False)


def test_each_tenant_has_bounds_of_its_own() -> None:
    known, ours, theirs = Bounds(), uuid4(), uuid4()
    assert known.of(ours) is known.of(ours)
    assert known.of(ours) is not known.of(theirs)
