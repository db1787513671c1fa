"""Measure how long other tenants wait while one tenant sends 100 times what its plan allows.

Five tenants list their sites 40 times a second together, alone and beside the noisy tenant. Their
requests and the noisy tenant's are due at fixed times, whatever the answers take. It is measured
with the limit of `--most` requests a minute, and without a limit, in turn. The same noise is also
sent to a server that answers all requests with the same bytes: that is what the machine spends on
the client and on a web server.
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from benchmarks.installation import Installation, installation
from benchmarks.load import compose_request
from benchmarks.paced import Answer, PacedLoad, answers_during
from benchmarks.processes import gunicorn
from benchmarks.report import make_parser, print_outcome
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.database.rows import insert_item
from trially.database.session import transaction
from trially.recruiting.sites.model import Site
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant
from trially.tenancy.lifecycle.provisioning import create_tenant

NOISY, NEIGHBOURS = "noisy", tuple(f"neighbour-{number}" for number in range(5))
TIMES = 100
PER_SECOND = 40.0
WORKERS, THREADS = 2, 8
KNOWN_AFTER_SECONDS = 6
"""After this time, every process knows a changed plan."""

ALONE, LIMITED, UNLIMITED = "alone", "with the limit", "without a limit"
ELSEWHERE = "beside the same noise at another server"


@dataclass
class Samples:
    """The answers to the neighbours, and the statuses of the noisy tenant's, of all rounds."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    noise: Counter[int] = field(default_factory=Counter)

    @property
    def p95_ms(self) -> float:
        return statistics.quantiles(self.seconds, n=20)[-1] * 1000


def main() -> None:
    parser = make_parser(__spec__.name, rounds=3, seconds=10)
    parser.add_argument("--most", type=int, default=300, help="requests per minute")
    options = parser.parse_args()
    with installation() as installed:
        tokens = [_create(installed, slug) for slug in (NOISY, *NEIGHBOURS)]
        environment = installed.environment
        with (
            gunicorn(
                "benchmarks.twin:trially_app()", environment, workers=WORKERS, threads=THREADS
            ) as server,
            gunicorn(
                "benchmarks.request_profile:constant_app", {**environment, "BENCHMARK_BYTES": "300"}
            ) as elsewhere,
        ):
            noise, *others = [compose_request("GET", "/api/v1/sites", token) for token in tokens]
            samples = _measure(
                installed,
                PacedLoad(server.port, others, PER_SECOND),
                PacedLoad(server.port, [noise], TIMES * options.most / 60),
                elsewhere.port,
                options,
            )
    alone = samples[ALONE].p95_ms
    shown = ", ".join(
        f"{name} {each.p95_ms:.1f} ms ({each.p95_ms / alone:.2f} of it; noise:"
        f" {each.noise[HTTPStatus.OK]} served, {each.noise[HTTPStatus.TOO_MANY_REQUESTS]} refused,"
        f" {each.noise[HTTPStatus.SERVICE_UNAVAILABLE]} busy)"
        for name, each in samples.items()
        if name != ALONE
    )
    failed = sum(each.failed for each in samples.values())
    line = f"noisy tenant: p95 of others {alone:.1f} ms alone, {shown}; {failed} of others failed"
    figures = {name: {**vars(each), "p95_ms": each.p95_ms} for name, each in samples.items()}
    print_outcome(line, figures, as_json=options.json)


def _create(installed: Installation, slug: str) -> str:
    """Create a tenant, and return a token of its member."""
    with installed.app.app_context():
        create_tenant(slug, slug, tier=Tier.POOLED_ROWS)
        with tenant_context(slug):
            add_member(slug, Role.ADMIN)
            with transaction():
                insert_item(Site, {"name": "Main"}, ("id",))
    issuer = state_of(installed.app).dev_issuer
    assert issuer is not None
    return issuer.issue_token(subject=slug, tenant=slug)


def _measure(
    installed: Installation,
    others: PacedLoad,
    noise: PacedLoad,
    elsewhere: int,
    options: argparse.Namespace,
) -> dict[str, Samples]:
    """Return the samples by name. `elsewhere` is the port of the server that is not trially."""
    samples = {name: Samples() for name in (ALONE, LIMITED, UNLIMITED, ELSEWHERE)}
    _wait(others, KNOWN_AFTER_SECONDS)  # opens the connections
    for _ in range(options.rounds):
        for most, name in ((options.most, LIMITED), (None, UNLIMITED)):
            _limit(installed, most)
            quiet = _wait(others, options.seconds)
            _add(samples[ALONE], quiet, ())
            _add(samples[name], *_beside(others, noise, options.seconds))
        away = replace(noise, port=elsewhere)
        _add(samples[ELSEWHERE], *_beside(others, away, options.seconds))
    return samples


def _beside(
    others: PacedLoad, noise: PacedLoad, seconds: float
) -> tuple[Sequence[Answer], Sequence[Answer]]:
    """Return the answers to others and to the noisy tenant, while both send requests."""
    answers: list[Answer] = []
    noisy = answers_during(noise, lambda: answers.extend(_wait(others, seconds)))
    return answers, noisy


def _wait(load: PacedLoad, seconds: float) -> list[Answer]:
    return answers_during(load, lambda: time.sleep(seconds))


def _limit(installed: Installation, most: int | None) -> None:
    with installed.app.app_context():
        change = TenantChange(limits={Limit.REQUESTS_PER_MINUTE: most}, reason="A benchmark")
        change_tenant(NOISY, change)
    time.sleep(KNOWN_AFTER_SECONDS)


def _add(samples: Samples, others: Sequence[Answer], noise: Sequence[Answer]) -> None:
    samples.seconds += [each.seconds for each in others]
    samples.failed += sum(each.status != HTTPStatus.OK for each in others)
    samples.noise.update(each.status for each in noise)


if __name__ == "__main__":
    main()
