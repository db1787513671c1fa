"""Measure how long it takes to find the audit records about one patient.

The records are fewer than 50 million, so the indexes are smaller in the same proportion: there are
as many of them, and each patient is in as many records, as with 50 million.
"""

import random
import statistics
import time
from dataclasses import asdict, dataclass

from benchmarks.audit_records import LIST_LENGTH, LIST_SHARE, write_records, write_tail
from benchmarks.installation import installation
from benchmarks.processes import cpu_seconds
from benchmarks.report import make_parser, print_outcome
from trially.audit import indexing
from trially.audit.finding import find_record_ids, find_records
from trially.audit.sealer import seal_tenant
from trially.database.session import db
from trially.seals import sealing
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant

SLUG = "found"
GOAL = 50_000_000
RECORDS_OF_PATIENT = 540
"""Of 50 million records about a million patients."""
PAGE = 100
"""Records that a search returns: the newest ones."""
TAIL = 4000
"""Records that no index has, nearly as many as there can be while the sealer runs."""


@dataclass(frozen=True)
class Figures:
    """Milliseconds of searches, the first after the database's start included."""

    records: int
    indexes: int
    index_bytes: int
    records_bytes: int
    found: float
    first_ms: float
    median_ms: float
    worst_ms: float
    python_ms: float
    """CPU time of a search in this process."""

    postgres_ms: float
    """CPU time of a search in PostgreSQL."""


def measure(records: int, searches: int, postmaster: int) -> Figures:
    """Write, seal and index records, and search for patients."""
    level_0, level_1 = indexing.RECORDS_OF_LEVEL
    scale = records / GOAL
    sealing.BATCH = round(level_1 * scale)
    indexing.RECORDS_OF_LEVEL = (round(level_0 * scale), round(level_1 * scale))
    subjects = records * (LIST_SHARE * LIST_LENGTH + 1 - LIST_SHARE)
    patients = round(subjects / RECORDS_OF_PATIENT)
    tenant = create_tenant(SLUG, "Found")
    write_records(tenant, records, patients)
    write_tail(tenant, 1, patients)
    seal_tenant(SLUG)
    write_tail(tenant, TAIL, patients)
    generator = random.Random(3)
    times, found = [], []
    cpu, postgres = time.process_time(), cpu_seconds(postmaster)
    for _ in range(searches):
        number = generator.randrange(1, patients + 1)
        with tenant_context(SLUG):
            started = time.perf_counter()
            find_records(number, limit=PAGE)
            times.append((time.perf_counter() - started) * 1000)
    cpu, postgres = time.process_time() - cpu, cpu_seconds(postmaster) - postgres
    for _ in range(10):
        with tenant_context(SLUG):
            found.append(len(find_record_ids(generator.randrange(1, patients + 1))))
    with tenant_context(SLUG):
        indexes, index_bytes, records_bytes = (
            db.session.connection()
            .exec_driver_sql(
                "SELECT count(*) FILTER (WHERE level = 1),"
                " pg_total_relation_size('audit_subject'),"
                " (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits"
                " WHERE inhparent = 'audit_record'::regclass) FROM audit_subject"
            )
            .one()
        )
    return Figures(
        records,
        indexes,
        index_bytes,
        int(records_bytes),
        statistics.mean(found),
        times[0],
        statistics.median(times[1:]),
        max(times[1:]),
        cpu * 1000 / searches,
        postgres * 1000 / searches,
    )


def main() -> None:
    """Measure in a temporary installation, and print one line."""
    parser = make_parser("audit_find", rounds=100, seconds=0)
    parser.add_argument("--records", type=int, default=1_000_000, help="records to write")
    options = parser.parse_args()
    with installation() as here, here.app.app_context():
        found = measure(options.records, options.rounds, here.postmaster_id)
    line = (
        f"audit find: {found.median_ms:.0f} ms (worst {found.worst_ms:.0f}, first"
        f" {found.first_ms:.0f}; CPU Python {found.python_ms:.0f}, PostgreSQL"
        f" {found.postgres_ms:.0f}) for the newest {PAGE} of {found.found:.0f} records about one"
        " patient, among"
        f" {found.records:,} with {found.indexes} indexes and a tail of {TAIL:,}; per record"
        f" {found.records_bytes / found.records:.0f} bytes, and"
        f" {found.index_bytes / found.records:.0f} of index"
    )
    print_outcome(line, asdict(found), as_json=options.json)


if __name__ == "__main__":
    main()
