"""Kill PostgreSQL under load: records of reads are lost within a bound, those of changes never.

Threads read and change one tenant and note each record after its COMMIT was answered. All
processes of PostgreSQL are then killed with SIGKILL. After the restart, each noted record is looked
up. A record of a read may be missing if it was committed at most 0.6 s before.
"""

import os
import signal
import threading
import time
from dataclasses import asdict, dataclass
from uuid import UUID

import psutil  # type: ignore[import-untyped]
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils.compat import uuid7

from benchmarks.installation import Installation, installation
from benchmarks.report import make_parser, print_outcome
from trially import create_app
from trially.audit.actors import Actor
from trially.audit.forms import Action, Form, Purpose
from trially.audit.model import AuditRecord
from trially.audit.recording import note
from trially.audit.verification import verify_log
from trially.database.session import db
from trially.request_state import request_state
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.administrator import administrator_url

SLUG = "crashed"
THREADS = 8
BOUND_SECONDS = 0.6
"""Three times `wal_writer_delay`."""

READ = Form("GET /api/v1/patients", Action.SEARCH, Purpose.RESEARCH, "full", ("name",))
CHANGE = Form("POST /api/v1/patients", Action.CREATE, Purpose.RESEARCH, "full", ("name",))


@dataclass(frozen=True)
class Committed:
    """A record whose COMMIT was answered, and when by `time.monotonic()`."""

    id: UUID
    at: float
    is_read: bool


@dataclass(frozen=True)
class Figures:
    """The records before the crash, and those that were lost."""

    reads: int
    changes: int
    lost_reads: int
    lost_changes: int
    oldest_lost_ms: float
    """How long before the crash the oldest lost record was committed."""


def crash(here: Installation, seconds: float) -> tuple[list[Committed], float]:
    """Write records until PostgreSQL is killed; return them, and when it was killed."""
    committed: list[Committed] = []
    threads = [
        threading.Thread(target=_write, args=(here.app, committed, each)) for each in range(THREADS)
    ]
    for each in threads:
        each.start()
    time.sleep(seconds)
    postmaster = psutil.Process(here.postmaster_id)
    victims = [postmaster, *postmaster.children(recursive=True)]
    killed_at = time.monotonic()
    for victim in victims:
        os.kill(victim.pid, signal.SIGKILL)
    for each in threads:
        each.join()
    return committed, killed_at


def _write(app: Flask, committed: list[Committed], thread: int) -> None:
    is_read = thread % 2 == 0
    try:
        while True:
            with app.app_context(), tenant_context(SLUG):
                record_id = uuid7()
                form = READ if is_read else CHANGE
                request_state().actor = Actor(form, record_id=record_id, only_reads=is_read)
                note(thread=thread)
                db.session.execute(select(1))
                db.session.commit()
                committed.append(Committed(record_id, time.monotonic(), is_read))
    except Exception as error:
        if not isinstance(error, SQLAlchemyError | OSError) and "psycopg2" not in repr(type(error)):
            raise


def find_lost(committed: list[Committed], killed_at: float) -> Figures:
    """Look up each record after the restart."""
    kept = set(db.session.scalars(select(AuditRecord.id)))
    lost = [each for each in committed if each.id not in kept]
    reads = [each for each in lost if each.is_read]
    return Figures(
        reads=sum(each.is_read for each in committed),
        changes=sum(not each.is_read for each in committed),
        lost_reads=len(reads),
        lost_changes=len(lost) - len(reads),
        oldest_lost_ms=max((killed_at - each.at for each in reads), default=0.0) * 1000,
    )


def main() -> None:
    """Measure in a temporary installation, and print one line."""
    options = make_parser("audit_crash", rounds=1, seconds=10).parse_args()
    with installation() as here:
        with here.app.app_context():
            create_tenant(SLUG, "Crashed")
        committed, killed_at = crash(here, options.seconds)
        administrator_url(here.settings)  # starts PostgreSQL again
        app = create_app(here.settings)
        with app.app_context(), tenant_context(SLUG):
            found = find_lost(committed, killed_at)
            is_intact = verify_log().is_intact
    if found.lost_changes or found.oldest_lost_ms > BOUND_SECONDS * 1000 or not is_intact:
        raise SystemExit(f"More was lost than may be: {found}")
    line = (
        f"audit crash: of {found.reads:,} reads {found.lost_reads:,} records were lost, the oldest"
        f" {found.oldest_lost_ms:.0f} ms before SIGKILL (bound {BOUND_SECONDS * 1000:.0f}); of"
        f" {found.changes:,} changes {found.lost_changes}"
    )
    print_outcome(line, asdict(found), as_json=options.json)


if __name__ == "__main__":
    main()
