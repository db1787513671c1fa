"""Measure what the count of a quota adds to the statement that creates patients.

The transaction of the tenant's own placement inserts patients and is rolled back, so the disk is
not measured. `--patients` are there before. Then it measures how soon another process knows a
changed plan.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

from psycopg2.extensions import connection

from benchmarks.installation import installation
from benchmarks.processes import scheduled_seconds
from benchmarks.report import make_parser, print_outcome
from trially import create_app
from trially.config import Settings
from trially.database.connecting import connect
from trially.database.placement import Placement
from trially.tenancy.context import tenant_context
from trially.tenancy.directory import directory
from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.limits import KNOWN
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

SLUG = "counted"
UNCOUNTED, UNLIMITED, LIMITED = "without the trigger", "without a limit", "with a limit"
SETTINGS = {UNCOUNTED: KNOWN, UNLIMITED: KNOWN, LIMITED: f"{KNOWN} patients=100000000"}
SIZES = (1, 1000)
INSERT = """
INSERT INTO patient (tenant_id, id, source_id, mrn)
SELECT '{tenant}', gen_random_uuid(), gen_random_uuid(), gen_random_uuid()
FROM generate_series(1, {rows})
"""

# The count as a former transaction has left it. Those that are measured are rolled back.
_COUNTED = """
INSERT INTO {0.schema}.quota_use (tenant_id, id, quota, used, most)
SELECT '{0.tenant_id}', gen_random_uuid(), 'patients', count(*), 1 FROM {0.schema}.patient
"""


def main() -> None:
    parser = make_parser(__spec__.name, rounds=30, seconds=0.2)
    parser.add_argument("--patients", type=int, default=10_000, help="patients before")
    options = parser.parse_args()
    with installation() as installed, installed.app.app_context():
        create_tenant(SLUG, "Counted")
        with tenant_context(SLUG) as entry:
            placement = entry.placement
        _fill(placement, options.patients)
        costs = {rows: _measure(placement, rows, options.rounds, options.seconds) for rows in SIZES}
        delays = [_known_after(installed.settings) for _ in range(5)]
    shown = ", ".join(
        f"{rows} row{'s' * (rows > 1)} {costs[rows][UNCOUNTED]:.0f} µs,"
        f" +{costs[rows][UNLIMITED] - costs[rows][UNCOUNTED]:.0f} {UNLIMITED},"
        f" +{costs[rows][LIMITED] - costs[rows][UNCOUNTED]:.0f} {LIMITED}"
        for rows in SIZES
    )
    line = f"quotas: CPU of PostgreSQL for {shown}; known after {max(delays):.1f} s at most"
    print_outcome(line, {"cpu_us": costs, "known_after_s": delays}, as_json=options.json)


def _fill(placement: Placement, patients: int) -> None:
    with server_access().administer(placement.url.database) as raw:
        statement = INSERT.format(tenant=placement.tenant_id, rows=patients)
        execute(raw, f"SET search_path = {placement.schema}; {statement}")
        execute(raw, f"ANALYZE {placement.schema}.patient")


def _measure(placement: Placement, rows: int, rounds: int, seconds: float) -> dict[str, float]:
    """Return the CPU of PostgreSQL per transaction in µs, by kind of count."""
    statement = INSERT.format(tenant=placement.tenant_id, rows=rows)
    samples: dict[str, list[float]] = {name: [] for name in SETTINGS}
    raw = connect(placement.url)
    for number in range(rounds + 1):
        for name, setting in SETTINGS.items():
            state = "DISABLE" if name == UNCOUNTED else "ENABLE"
            with server_access().administer(placement.url.database) as administrator:
                execute(
                    administrator,
                    f"ALTER TABLE {placement.schema}.patient {state} TRIGGER count_insert;"
                    f"DELETE FROM {placement.schema}.quota_use;"
                    f"{_COUNTED.format(placement) if name == LIMITED else ''}",
                )
            cpu = _insert_often(raw, replace(placement, quotas=setting).opening, statement, seconds)
            if number:  # the first round warms up
                samples[name].append(cpu)
    raw.close()
    return {name: statistics.median(each) * 1e6 for name, each in samples.items()}


def _insert_often(raw: connection, opening: str, statement: str, seconds: float) -> float:
    """Return the CPU of PostgreSQL per transaction in seconds."""
    done, deadline = 0, time.perf_counter() + seconds
    before = scheduled_seconds(raw.info.backend_pid)
    with raw.cursor() as cursor:
        while time.perf_counter() < deadline:
            cursor.execute(opening)
            cursor.execute(statement)
            cursor.execute("ROLLBACK")
            done += 1
    return (scheduled_seconds(raw.info.backend_pid) - before) / done


def _known_after(settings: Settings) -> float:
    """Return after how many seconds two other apps know a changed plan, with the default age."""
    workers: Sequence = [create_app(settings) for _ in range(2)]
    for worker in workers:
        with worker.app_context():
            assert directory().find(SLUG).plan.has(Feature.FHIR)
    change_tenant(SLUG, TenantChange(features={Feature.FHIR: False}, reason="Measured"))
    began = time.perf_counter()
    for worker in workers:
        with worker.app_context():
            while directory().find(SLUG).plan.has(Feature.FHIR):
                time.sleep(0.02)
    delay = time.perf_counter() - began
    change_tenant(SLUG, TenantChange(removed=[Feature.FHIR]))
    return delay


if __name__ == "__main__":
    main()
