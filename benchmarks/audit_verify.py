"""Measure how fast the records of an audit log are sealed and verified."""

import time
from dataclasses import asdict, dataclass

from benchmarks.audit_records import write_records, write_tail
from benchmarks.installation import installation
from benchmarks.processes import cpu_seconds
from benchmarks.report import make_parser, print_outcome
from trially.audit.sealer import seal_tenant
from trially.audit.verification import verify_log
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant

SLUG = "verified"


@dataclass(frozen=True)
class Figures:
    """Records per second, and the CPU seconds of each kind of process for a million records."""

    records: int
    sealed_per_second: float
    verified_per_second: float
    verify_wall_seconds: float
    verify_python_seconds: float
    verify_postgres_seconds: float


def measure(records: int, postmaster: int) -> Figures:
    """Write, seal and verify records."""
    tenant = create_tenant(SLUG, "Verified")
    write_records(tenant, records, patients=records // 100 + 1)
    write_tail(tenant, 1, patients=2)
    started = time.perf_counter()
    sealed = seal_tenant(SLUG)
    seal_seconds = time.perf_counter() - started
    with tenant_context(SLUG):
        before, cpu, started = (
            cpu_seconds(postmaster),
            time.process_time(),
            time.perf_counter(),
        )
        found = verify_log()
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        postgres = cpu_seconds(postmaster) - before
    if not found.is_intact or found.verdict.records != sealed.records:
        raise SystemExit(f"The log is not intact: {found}")
    return Figures(
        records, sealed.records / seal_seconds, sealed.records / wall, wall, cpu, postgres
    )


def main() -> None:
    """Measure in a temporary installation, and print one line."""
    parser = make_parser(
        __name__ if __name__ != "__main__" else "audit_verify", rounds=1, seconds=0
    )
    parser.add_argument("--records", type=int, default=1_000_000, help="records to write")
    options = parser.parse_args()
    with installation() as here, here.app.app_context():
        found = measure(options.records, here.postmaster_id)
    line = (
        f"audit verify: {found.verified_per_second:,.0f} records/s of {found.records:,}"
        f" ({found.verify_wall_seconds:.1f} s; CPU Python {found.verify_python_seconds:.1f} s,"
        f" PostgreSQL {found.verify_postgres_seconds:.1f} s); sealed and indexed"
        f" {found.sealed_per_second:,.0f} records/s"
    )
    print_outcome(line, asdict(found), as_json=options.json)


if __name__ == "__main__":
    main()
