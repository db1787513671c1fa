"""Measure `create_tenant`, by default against a plain CREATE DATABASE with the same template."""

import statistics
import time

from psycopg2 import sql
from psycopg2.extensions import connection

from benchmarks.installation import installation
from benchmarks.processes import cpu_seconds
from benchmarks.report import make_parser, print_outcome
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.names import opaque_name
from trially.tenancy.schema.templates import template_database
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

BAR = 2.0
BARS_MS = {Tier.OWN_SCHEMA: 25, Tier.POOLED_ROWS: 5}


def main() -> None:
    parser = make_parser(__spec__.name, rounds=40, seconds=120)
    parser.add_argument(
        "--tier", choices=[Tier.DEDICATED_DATABASE, *BARS_MS], default=Tier.DEDICATED_DATABASE
    )
    options = parser.parse_args()
    if options.tier in BARS_MS:
        _measure_shared(Tier(options.tier), options.rounds, as_json=options.json)
        return
    ours: list[float] = []
    bare: list[float] = []
    postgres: dict[str, float] = {"tenant": 0.0, "bare": 0.0}
    # The server is deleted at the end, and all databases with it.
    with installation() as installed, installed.app.app_context():
        access = server_access()
        template = template_database(access)
        create_tenant("warm-up", "Warm-up")
        deadline = time.monotonic() + options.seconds
        with access.administer() as raw:
            _create_bare(raw, template)
            for number in range(options.rounds):
                before = cpu_seconds(installed.postmaster_id)
                began = time.perf_counter()
                create_tenant(f"tenant-{number}", f"Tenant {number}")
                ours.append(time.perf_counter() - began)
                between = cpu_seconds(installed.postmaster_id)
                began = time.perf_counter()
                _create_bare(raw, template)
                bare.append(time.perf_counter() - began)
                postgres["tenant"] += between - before
                postgres["bare"] += cpu_seconds(installed.postmaster_id) - between
                if time.monotonic() > deadline:
                    break
    ours_ms, bare_ms = statistics.median(ours) * 1000, statistics.median(bare) * 1000
    figures = {
        "bar": BAR,
        "tenants": len(ours),
        "tenant_ms": ours_ms,
        "bare_ms": bare_ms,
        "ratio": ours_ms / bare_ms,
        "postgres_cpu_ms": {name: seconds / len(ours) * 1000 for name, seconds in postgres.items()},
        "samples_ms": {
            "tenant": [seconds * 1000 for seconds in ours],
            "bare": [seconds * 1000 for seconds in bare],
        },
    }
    line = (
        f"create tenant: {ours_ms:.1f} ms, {ours_ms / bare_ms:.2f} times a bare CREATE DATABASE"
        f" ({bare_ms:.1f} ms), medians of {len(ours)}"
    )
    print_outcome(line, figures, as_json=options.json)


def _measure_shared(tier: Tier, rounds: int, *, as_json: bool) -> None:
    """Measure tenants in an existing shared database; the first tenant, which creates it, is not
    counted."""
    taken: list[float] = []
    with installation() as installed, installed.app.app_context():
        create_tenant("warm-up", "Warm-up", tier=tier)
        before = cpu_seconds(installed.postmaster_id)
        for number in range(rounds):
            began = time.perf_counter()
            create_tenant(f"tenant-{number}", f"Tenant {number}", tier=tier)
            taken.append((time.perf_counter() - began) * 1000)
        postgres_ms = (cpu_seconds(installed.postmaster_id) - before) / rounds * 1000
    line = (
        f"create tenant ({tier}): {statistics.median(taken):.1f} ms, least {min(taken):.1f}, median"
        f" of {rounds}; {postgres_ms:.1f} ms of it PostgreSQL's CPU; bar {BARS_MS[tier]} ms"
    )
    print_outcome(line, {"bar_ms": BARS_MS[tier], "samples_ms": taken}, as_json=as_json)


def _create_bare(raw: connection, template: str) -> None:
    execute(
        raw,
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log").format(
            sql.Identifier(opaque_name()), sql.Identifier(template)
        ),
    )


if __name__ == "__main__":
    main()
