"""Move a tenant with a million clinical facts while eight writers work in it.

Each run moves it from the pool to a database of its own, to another server, back from there, and
into the pool again. The ledger of the load proves that no acknowledged write is lost. The yardstick
of the copies is `pg_dump -Fc | pg_restore` of the same database under the same load.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from benchmarks.fact_seeding import fill_with_facts
from benchmarks.installation import Installation, installation
from benchmarks.moves import Moved, Mover
from benchmarks.processes import cpu_seconds, free_port
from benchmarks.report import make_parser, print_outcome
from benchmarks.restoring import dump_and_restore
from faults.serving import start_gunicorn
from trially.auth.members.developers import add_developer
from trially.auth.roles import Role
from trially.demo.load import Load, LoadedTenant, running_load
from trially.demo.load.traffic import percentile
from trially.embedded_postgres.server import start_embedded_server
from trially.embedded_postgres.sharing import stop_using
from trially.embedded_postgres.watcher import DATA, find_postmaster, is_running
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.administrator import administrator_url

MOVED, NEIGHBOUR = "moved", "neighbour"
SECOND = "second"
QUIET_SECONDS = 10.0
"""Of load without a move, before each move, for the neighbour's p99."""

PAUSE_BARS = {"p95_ms": 100, "max_ms": 250}
AT_ONCE, KEPT = "1s", "1h"
"""How long the source of a move is kept."""


@dataclass(frozen=True)
class Sample:
    """One move. Times are in milliseconds or seconds, as the names say."""

    pause_ms: float
    """As the mover reports it."""

    longest_wait_ms: float
    """The longest wait of a client of the moved tenant during the move."""

    rows: int
    megabytes: float
    copy_seconds: float
    seconds: float
    mover_cpu_seconds: float
    postgres_cpu_seconds: float
    """Of both servers, with the requests that they answered meanwhile."""

    neighbour_p99_ms: float
    """During the move."""

    neighbour_p99_before_ms: float


def main() -> None:
    parser = make_parser(__spec__.name, rounds=5, seconds=3600)
    parser.add_argument("--rows", type=int, default=1_000_000, help="facts (default: %(default)s)")
    parser.add_argument("--writers", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--max-pause", default="100ms", help="(default: %(default)s)")
    parser.add_argument("--window", default="5m", help="(default: %(default)s)")
    parser.add_argument("--max-wal", default="8192", help="in MiB (default: %(default)s)")
    parser.add_argument(
        "--only-first", action="store_true", help="only move to a database, without the yardstick"
    )
    options = parser.parse_args()
    limits = ("--max-pause", options.max_pause, "--window", options.window)
    limits += ("--max-wal", options.max_wal)
    deadline = time.monotonic() + options.seconds
    with installation() as installed, _second_server(installed) as second:
        mover = Mover(installed.environment)
        mover.run("servers", "add", SECOND, "--url", second.render_as_string(hide_password=False))
        tenants = _seed(installed, options.rows, options.writers)
        with _served(installed) as url, running_load(url, tenants) as load:
            bench = Bench(installed, mover, load, limits)
            restored = 0.0
            for number in range(options.rounds):
                bench.move("pool to database", tier=Tier.DEDICATED_DATABASE.value, keep=AT_ONCE)
                if options.only_first:
                    break
                if number == 0:
                    restored = dump_and_restore(_database_of(installed), second)
                bench.move("database to other server", server=SECOND, keep=KEPT)
                bench.move_back("back from other server", keep=AT_ONCE)
                bench.move("database to pool", tier=Tier.POOLED_ROWS.value, keep=AT_ONCE)
                if time.monotonic() > deadline:
                    break
            verdict = load.verdict()
    figures = {name: _summarise(samples) for name, samples in bench.samples.items()}
    lines = [_describe(name, each) for name, each in figures.items()]
    lines.append(
        f"move, {options.rows:,} facts, {options.writers} writers: {verdict.acknowledged:,} writes"
        f" acknowledged, found {verdict.amiss or 'nothing amiss'},"
        f" {sum(load.traffic.errors.values())} requests repeated"
    )
    yardstick = None
    if restored:
        yardstick = _yardstick(bench.samples["pool to database"], restored)
        lines.append(
            f"pg_dump | pg_restore {restored:.1f} s, {yardstick['rows_per_second']:,.0f} rows/s,"
            f" {yardstick['megabytes_per_second']:.1f} MB/s"
        )
    samples = {name: [asdict(one) for one in many] for name, many in bench.samples.items()}
    findings = {"amiss": verdict.amiss, "errors": sum(load.traffic.errors.values())}
    print_outcome(
        "\n".join(lines),
        {"bars": PAUSE_BARS, **figures, "yardstick": yardstick, **findings, "samples": samples},
        as_json=options.json,
    )


class Bench:
    """Moves the tenant under load, and keeps the samples of each kind of move."""

    def __init__(
        self, installed: Installation, mover: Mover, load: Load, limits: tuple[str, ...]
    ) -> None:
        self.samples: defaultdict[str, list[Sample]] = defaultdict(list)
        self._mover, self._load, self._limits = mover, load, limits
        second = find_postmaster(installed.settings.instance / SECOND / DATA)
        assert second is not None
        self._postmasters = (installed.postmaster_id, second.process_id)

    def move(
        self, name: str, *, keep: str, tier: str | None = None, server: str | None = None
    ) -> None:
        """Move to a tier or server, and remove what the move left if it is not kept."""
        options = (*self._limits, "--keep-source", keep)
        with self._sampled(name) as moved:
            moved.append(self._mover.move(name, MOVED, tier=tier, server=server, options=options))
        self._settle(keep)

    def move_back(self, name: str, *, keep: str) -> None:
        """Move to the placement that the tenant left last."""
        with self._sampled(name) as moved:
            options = (*self._limits, "--keep-source", keep)
            moved.append(self._mover.move_back(name, MOVED, options))
        self._settle(keep)

    @contextmanager
    def _sampled(self, name: str) -> Iterator[list[Moved]]:
        quiet_since = time.monotonic()
        time.sleep(QUIET_SECONDS)
        before, moved = self._postgres_cpu(), list[Moved]()
        yield moved
        [one] = moved
        traffic, printed = self._load.traffic, one.printed
        quiet = traffic.waits(NEIGHBOUR, quiet_since, one.begun)
        during = traffic.waits(NEIGHBOUR, one.begun, one.ended)
        self.samples[name].append(
            Sample(
                pause_ms=printed["pause_ms"],
                longest_wait_ms=max(traffic.waits(MOVED, one.begun, one.ended)) * 1000,
                rows=printed["rows"],
                megabytes=printed["bytes"] / 1e6,
                copy_seconds=printed["copy_seconds"],
                seconds=one.seconds,
                mover_cpu_seconds=one.cpu_seconds,
                postgres_cpu_seconds=self._postgres_cpu() - before,
                neighbour_p99_ms=percentile(during, 0.99) * 1000,
                neighbour_p99_before_ms=percentile(quiet, 0.99) * 1000,
            )
        )

    def _settle(self, keep: str) -> None:
        """Remove the source, so that the next move to that place copies all rows."""
        if keep == AT_ONCE:
            time.sleep(2)
            self._mover.run("tenants", "settle-moves")

    def _postgres_cpu(self) -> float:
        return sum(map(cpu_seconds, self._postmasters))


def _seed(installed: Installation, rows: int, writers: int) -> list[LoadedTenant]:
    """Create the tenant that moves and its neighbour in the pool."""
    issuer = state_of(installed.app).dev_issuer
    assert issuer is not None
    with installed.app.app_context():
        tokens = {}
        for slug in (MOVED, NEIGHBOUR):
            create_tenant(slug, slug, tier=Tier.POOLED_ROWS)
            subject = add_developer(slug, Role.ADMIN, issuer.url)
            tokens[slug] = issuer.issue_token(subject=subject, tenant=slug)
        fill_with_facts(get_tenant(MOVED), rows)
    return [
        LoadedTenant(MOVED, lambda: tokens[MOVED], writers=writers, readers=1),
        LoadedTenant(NEIGHBOUR, lambda: tokens[NEIGHBOUR], writers=1, readers=1),
    ]


def _database_of(installed: Installation) -> URL:
    """Return the administrator's URL of the moved tenant's database, on the first server."""
    with installed.app.app_context():
        placement = get_tenant(MOVED).placement
    return administrator_url(installed.settings).set(database=placement.database)


@contextmanager
def _second_server(installed: Installation) -> Iterator[URL]:
    """Run another embedded server, and yield the administrator's URL."""
    directory = installed.settings.instance / SECOND
    try:
        yield start_embedded_server(directory).url()
    finally:
        stop_using(directory)
        while is_running(directory):
            time.sleep(0.05)


@contextmanager
def _served(installed: Installation) -> Iterator[str]:
    """Serve the app with gunicorn as it is deployed, and yield its URL."""
    port, log = free_port(), Path(installed.settings.instance) / "gunicorn.log"
    gunicorn = start_gunicorn(port, installed.environment, log)
    try:
        gunicorn.wait_until_live()
        yield f"http://127.0.0.1:{port}"
    finally:
        gunicorn.stop()


def _summarise(samples: list[Sample]) -> dict[str, Any]:
    pauses = [sample.pause_ms for sample in samples]
    medians = {
        name: statistics.median(getattr(sample, name) for sample in samples)
        for name in Sample.__annotations__
    }
    return {
        "pause_p50_ms": statistics.median(pauses),
        "pause_p95_ms": percentile(pauses, 0.95),
        "pause_max_ms": max(pauses),
        "longest_wait_ms": max(sample.longest_wait_ms for sample in samples),
        "rows_per_second": medians["rows"] / max(medians["copy_seconds"], 0.001),
        "megabytes_per_second": medians["megabytes"] / max(medians["copy_seconds"], 0.001),
        "medians": medians,
    }


def _describe(name: str, figures: dict[str, Any]) -> str:
    medians = figures["medians"]
    return (
        f"{name}: pause {figures['pause_p50_ms']:.0f} / {figures['pause_p95_ms']:.0f} /"
        f" {figures['pause_max_ms']:.0f} ms (p50 / p95 / max), longest wait"
        f" {figures['longest_wait_ms']:.0f} ms; copied {figures['rows_per_second']:,.0f} rows/s,"
        f" {figures['megabytes_per_second']:.1f} MB/s; {medians['seconds']:.1f} s, of which CPU"
        f" {medians['mover_cpu_seconds']:.1f} s of the mover and"
        f" {medians['postgres_cpu_seconds']:.1f} s of PostgreSQL; p99 of the neighbour"
        f" {medians['neighbour_p99_ms']:.0f} ms, {medians['neighbour_p99_before_ms']:.0f} before"
    )


def _yardstick(samples: list[Sample], seconds: float) -> dict[str, float]:
    """Return the rates at which the yardstick copied what the move copied."""
    return {
        "seconds": seconds,
        "rows_per_second": samples[0].rows / seconds,
        "megabytes_per_second": samples[0].megabytes / seconds,
    }


if __name__ == "__main__":
    main()
