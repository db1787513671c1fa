"""Test whether response times disclose that a row or a tenant exists.

The script sends each pair of requests in random order over one connection. The Mann-Whitney test
gives the probability p of such a difference between samples of equal distribution. The bar is
p > 0.01.
"""

import random
import socket
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from math import erfc, sqrt
from typing import Any

from uuid_utils.compat import uuid7

from benchmarks.installation import Installation, installation
from benchmarks.load import compose_request
from benchmarks.processes import gunicorn
from benchmarks.report import make_parser, print_outcome
from benchmarks.seeding import fill
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.lifecycle.status import suspend_tenant

BAR = 0.01
PATIENTS = 50
OTHERS = 20
WARM_UP = 50
TIERS = tuple(tier for tier in Tier if tier is not Tier.SILO)
"""The tiers of tenants that share an instance."""

Questions = Mapping[str, Sequence[str]]
"""Requests that must take the same time, by the thing that they are about."""


@dataclass(frozen=True)
class Figures:
    """The comparison of the response times of two kinds of requests."""

    pair: tuple[str, str]
    median_us: tuple[float, float]
    p: float


def main() -> None:
    parser = make_parser(__spec__.name, rounds=2000, seconds=0)
    parser.add_argument("--tier", choices=TIERS, nargs="+", default=TIERS)
    options = parser.parse_args()
    results: dict[str, list[Figures]] = {}
    with installation() as installed:
        for tier in options.tier:
            rows, refusals = _prepare(installed, Tier(tier))
            with gunicorn("wsgi:app", installed.environment) as server:
                results[tier] = [
                    *_compare(server.port, rows, 404, options.rounds),
                    *_compare(server.port, refusals, 403, options.rounds),
                ]
    least = min((one.p, tier, one.pair) for tier, those in results.items() for one in those)
    line = (
        f"timing_oracle: {options.rounds} answers each, least p {least[0]:.3f}"
        f" ({least[1]}: {' / '.join(least[2])}); "
        + "; ".join(f"{tier} {', '.join(map(_describe, those))}" for tier, those in results.items())
    )
    figures = {tier: [vars(one) for one in those] for tier, those in results.items()}
    print_outcome(line, {"bar": BAR, "found": figures}, as_json=options.json)


def probability(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the two-sided p of the Mann-Whitney U test (normal approximation, ties corrected)."""
    marked = sorted([(value, True) for value in ours] + [(value, False) for value in theirs])
    total, rank_sum, ties, place = len(marked), 0.0, 0, 0
    for _, group in groupby(marked, key=lambda pair: pair[0]):
        members = [is_first for _, is_first in group]
        rank_sum += sum(members) * (place + (len(members) + 1) / 2)
        ties += len(members) ** 3 - len(members)
        place += len(members)
    first, second = len(ours), len(theirs)
    excess = rank_sum - first * (first + 1) / 2 - first * second / 2
    variance = first * second / 12 * (total + 1 - ties / (total * (total - 1)))
    return erfc(max(abs(excess) - 0.5, 0) / sqrt(variance) / sqrt(2)) if variance else 1.0


def _prepare(installed: Installation, tier: Tier) -> tuple[Questions, Questions]:
    """Create tenants, and return requests for rows and requests that strangers send."""
    subject, prefix = "asks", tier.value.partition("_")[0]
    their_ids = [uuid7() for _ in range(PATIENTS)]
    with installed.app.app_context():
        for name in ("ours", "theirs"):
            create_tenant(f"{prefix}-{name}", name, tier=tier)
            ids = their_ids if name == "theirs" else [uuid7() for _ in range(PATIENTS)]
            fill(f"{prefix}-{name}", [subject if name == "ours" else "somebody"], ids)
        for number in range(OTHERS):
            create_tenant(f"{prefix}-closed-{number}", "Closed", tier=tier)
            suspend_tenant(f"{prefix}-closed-{number}")
    issue: Any = state_of(installed.app).dev_issuer.issue_token
    token = issue(subject=subject, tenant=f"{prefix}-ours")

    def show(patient_id: object) -> str:
        return compose_request("GET", f"/api/v1/patients/{patient_id}", token)

    def ask_as_stranger(slug: str) -> str:
        return compose_request("GET", "/api/v1/me", issue(subject="nobody", tenant=slug))

    rows = {
        "another's row": [show(each) for each in their_ids],
        "no row": [show(uuid7()) for _ in range(PATIENTS)],
    }
    refusals = {
        "unknown tenant": [ask_as_stranger(f"{prefix}-none-{number}") for number in range(OTHERS)],
        "suspended tenant": [
            ask_as_stranger(f"{prefix}-closed-{number}") for number in range(OTHERS)
        ],
        "another's tenant": [ask_as_stranger(f"{prefix}-theirs")],
    }
    return rows, refusals


def _compare(port: int, questions: Questions, status: int, rounds: int) -> list[Figures]:
    chance = random.Random(1)
    order = [kind for kind in questions for _ in range(rounds)]
    chance.shuffle(order)
    seconds: dict[str, list[float]] = {kind: [] for kind in questions}
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for kind in order[:WARM_UP]:
            _ask(connected, chance.choice(questions[kind]), status)
        for kind in order:
            seconds[kind].append(_ask(connected, chance.choice(questions[kind]), status))
    base, *others = questions
    return [
        Figures(
            pair=(base, other),
            median_us=(
                statistics.median(seconds[base]) * 1e6,
                statistics.median(seconds[other]) * 1e6,
            ),
            p=probability(seconds[base], seconds[other]),
        )
        for other in others
    ]


def _ask(connected: socket.socket, request: str, status: int) -> float:
    """Send a request, and return the seconds until its response was complete."""
    began = time.perf_counter()
    connected.sendall(request.encode())
    received = b""
    while b"\r\n\r\n" not in received:
        received += connected.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += connected.recv(65536)
    took = time.perf_counter() - began
    if not head.startswith(f"HTTP/1.1 {status} ".encode()):
        raise SystemExit(f"Expected status {status}, got: {head.decode(errors='replace')}")
    return took


def _describe(one: Figures) -> str:
    first, second = one.median_us
    return f"{one.pair[0]} {first:.0f} µs / {one.pair[1]} {second:.0f} µs p {one.p:.2f}"


if __name__ == "__main__":
    main()
