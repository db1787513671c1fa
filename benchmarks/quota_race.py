"""Let many writers race for the last places of a quota, on each tier.

Each writer has a connection of its own and creates one patient per transaction until the quota
refuses it. The patients are counted afterwards: one too many ends the script with an error. The
same writers without a limit are measured in turn.
"""

import statistics
import time
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Barrier

from psycopg2 import DatabaseError

from benchmarks.installation import installation
from benchmarks.report import make_parser, print_outcome
from trially.database.connecting import connect
from trially.database.placement import Placement
from trially.database.quotas import QUOTA_EXCEEDED
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.entitlements.limits import KNOWN
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

INSERT = """
INSERT INTO patient (tenant_id, id, source_id, mrn)
VALUES ('{tenant}', gen_random_uuid(), gen_random_uuid(), gen_random_uuid())
"""
TIERS = (Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS)


@dataclass(frozen=True)
class Race:
    """What the writers of one race saw."""

    seconds: float
    waits: Sequence[float]
    """Seconds of each transaction that created a patient."""


def main() -> None:
    parser = make_parser(__spec__.name, rounds=5, seconds=60)
    parser.add_argument("--writers", type=int, default=16, help="(default: %(default)s)")
    parser.add_argument("--places", type=int, default=1_000, help="patients that the quota allows")
    options = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with installation() as installed, installed.app.app_context():
        for tier in TIERS:
            slug = tier.replace("_", "-")
            create_tenant(slug, "Raced", tier=tier)
            with tenant_context(slug) as entry:
                placement = entry.placement
            figures[str(tier)] = _measure(placement, options)
    shown = "; ".join(
        f"{tier} {each['limited_per_second']:,.0f} patients/s with the quota,"
        f" {each['unlimited_per_second']:,.0f} without,"
        f" p95 {each['limited_p95_ms']:.1f} and {each['unlimited_p95_ms']:.1f} ms"
        for tier, each in figures.items()
    )
    line = (
        f"quota race: {options.writers} writers, {options.places:,} places, none exceeded; {shown}"
    )
    print_outcome(line, {"tiers": figures}, as_json=options.json)


def _measure(placement: Placement, options: Namespace) -> dict[str, float]:
    """Return patients per second and the 95th percentile of a transaction, with and without."""
    writers, places = options.writers, options.places
    kinds = {
        "limited": (f"{KNOWN} patients={places}", places + 1),
        "unlimited": (KNOWN, places // writers),
    }
    races: dict[str, list[Race]] = {kind: [] for kind in kinds}
    deadline = time.monotonic() + options.seconds / len(TIERS)
    for number in range(options.rounds + 1):
        if number > 1 and time.monotonic() > deadline:
            break
        for kind, (quotas, share) in kinds.items():
            _empty(placement)
            race = _race(replace(placement, quotas=quotas), writers, share)
            stored = _count(placement)
            if kind == "limited" and stored != places:
                raise SystemExit(f"quota race: {stored} patients, and the quota allows {places}.")
            if number:  # the first round warms up
                races[kind].append(race)
    figures = {}
    for kind, found in races.items():
        waits = [each for race in found for each in race.waits]
        figures[f"{kind}_per_second"] = len(waits) / sum(race.seconds for race in found)
        figures[f"{kind}_p95_ms"] = statistics.quantiles(waits, n=20)[-1] * 1000
    return figures


def _race(placement: Placement, writers: int, share: int) -> Race:
    """Let each writer create patients until the quota refuses one, or it has created `share`."""
    start = Barrier(writers + 1)
    insert = INSERT.format(tenant=placement.tenant_id)

    def write() -> list[float]:
        raw, waits = connect(placement.url), []
        with raw.cursor() as cursor:
            start.wait()
            for _ in range(share):
                began = time.perf_counter()
                try:
                    cursor.execute(f"{placement.opening}{insert}")
                except DatabaseError as error:
                    if error.pgcode != QUOTA_EXCEEDED:
                        raise
                    cursor.execute("ROLLBACK")
                    break
                cursor.execute("COMMIT")
                waits.append(time.perf_counter() - began)
        raw.close()
        return waits

    with ThreadPoolExecutor(writers) as pool:
        writing = [pool.submit(write) for _ in range(writers)]
        start.wait()
        began = time.perf_counter()
        waits = [each for writer in writing for each in writer.result()]
        return Race(time.perf_counter() - began, waits)


def _empty(placement: Placement) -> None:
    with server_access().administer(placement.url.database) as raw:
        for table in ("quota_use", "patient"):
            execute(
                raw,
                f"DELETE FROM {placement.schema}.{table} WHERE tenant_id = %s",
                str(placement.tenant_id),
            )


def _count(placement: Placement) -> int:
    with server_access().administer(placement.url.database) as raw:
        statement = f"SELECT count(*) FROM {placement.schema}.patient WHERE tenant_id = %s"
        [(found,)] = execute(raw, statement, str(placement.tenant_id))
    return int(found)


if __name__ == "__main__":
    main()
