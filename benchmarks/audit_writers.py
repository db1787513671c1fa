"""Write audit records with 16 threads while sealers run: the chain has no fork and no gap."""

import threading
import time
from dataclasses import asdict, dataclass

from flask import Flask
from uuid_utils.compat import uuid7

from benchmarks.installation import installation
from benchmarks.report import make_parser, print_outcome
from trially.audit.sealer import seal_tenant, seal_tenants
from trially.audit.subjects import pack
from trially.audit.verification import verify_log
from trially.database.session import db
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant

SLUG = "written"
WRITERS, SEALERS = 16, 3


@dataclass
class Counts:
    """What the threads did."""

    written: int = 0
    sealed: int = 0
    seals: int = 0
    refused: int = 0
    """Runs of a sealer that waited too long for another one."""


def run(app: Flask, seconds: float) -> Counts:
    """Write and seal for a while, then seal the rest."""
    counts, lock = Counts(), threading.Lock()
    until = time.monotonic() + seconds

    def write(writer: int) -> None:
        written = 0
        while time.monotonic() < until:
            with app.app_context(), tenant_context(SLUG) as entry:
                placement = entry.placement
                db.session.connection().exec_driver_sql(
                    "INSERT INTO audit_record (tenant_id, id, form_id, epoch, outcome, subjects)"
                    " VALUES (%s, %s, %s, %s, 200, %s)",
                    (placement.tenant_id, uuid7(), placement.tenant_id, placement.epoch, pack([7])),
                )
                # Transactions end in another order than they began.
                if written % 10 == writer % 10:
                    time.sleep(0.02)
                db.session.commit()
            written += 1
        with lock:
            counts.written += written

    def seal() -> None:
        while time.monotonic() < until:
            with app.app_context():
                [done] = seal_tenants([SLUG])
            with lock:
                counts.refused += done.error is not None
                counts.sealed, counts.seals = (
                    counts.sealed + done.records,
                    counts.seals + done.seals,
                )

    threads = [threading.Thread(target=write, args=(each,)) for each in range(WRITERS)]
    threads += [threading.Thread(target=seal) for _ in range(SEALERS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with app.app_context():
        done = seal_tenant(SLUG)
    counts.sealed, counts.seals = counts.sealed + done.records, counts.seals + done.seals
    return counts


def main() -> None:
    """Measure in a temporary installation, and print one line."""
    options = make_parser("audit_writers", rounds=1, seconds=60).parse_args()
    with installation() as here, here.app.app_context():
        create_tenant(SLUG, "Written")
        counts = run(here.app, options.seconds)
        with tenant_context(SLUG):
            found = verify_log()
    if found.fault or found.verdict.records != counts.written or found.verdict.unsealed:
        raise SystemExit(f"The log is not intact: {found}, {counts}")
    line = (
        f"audit writers: {WRITERS} writers and {SEALERS} sealers for {options.seconds:.0f} s:"
        f" {counts.written:,} records in {counts.seals:,} seals; no fork, no gap"
    )
    print_outcome(line, asdict(counts), as_json=options.json)


if __name__ == "__main__":
    main()
