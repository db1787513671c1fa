"""Kill a server under writes, and restore a tenant with a million facts from what Barman has.

The server is killed with SIGKILL. The tenant is restored to the last commit that was stored outside
of the server, on another server. What was acknowledged later is lost: that is the RPO. The time of
the restore is the RTO, with Barman, replay, copy and comparison.
"""

import os
import resource
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import psycopg2
from psycopg2 import sql
from sqlalchemy import URL

from benchmarks.barman import SERVER, running_barman
from benchmarks.fact_seeding import fill_with_facts
from benchmarks.installation import Installation, installation
from benchmarks.processes import cpu_seconds
from benchmarks.report import make_parser, print_outcome
from trially.database.connecting import connect
from trially.embedded_postgres.server import start_embedded_server
from trially.embedded_postgres.sharing import stop_using
from trially.embedded_postgres.watcher import DATA, find_postmaster
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.recovery.errors import EndOfWalError
from trially.tenancy.recovery.restoring import RestoreAtOptions, restore_at
from trially.tenancy.recovery.tools import tool_of
from trially.tenancy.recovery.wal_streams import take_base_backup
from trially.tenancy.servers.access import FIRST_SERVER, access_to
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.registering import ServerOptions, add_server, get_server
from trially.tenancy.tiers import tier_of

LOST = "lost"
"""The slug of the tenant, and the name of its server."""

BARS = {"rpo_seconds": 60.0}
_INSERT = """
INSERT INTO {schema}.site (tenant_id, id, name) VALUES (%s, gen_random_uuid(), %s)
"""


@dataclass(frozen=True)
class Outcome:
    """One restore after the loss of a server. Times are in seconds."""

    acknowledged: int
    recovered: int
    rpo_seconds: float
    """Between the first and the last acknowledged write that was lost; 0 if none was lost."""

    rto_seconds: float
    rows: int
    megabytes: float
    recovery_seconds: float
    """Until the recovered cluster had reached the time, from its start."""

    cpu_seconds: float
    """Of the restore and of Barman."""

    target_cpu_seconds: float
    """Of the server into which the rows were copied."""


class Writers:
    """Write rows one after the other, and remember when each was acknowledged."""

    def __init__(self, url: URL, tenant: Tenant, number: int) -> None:
        self.acknowledged: dict[str, float] = {}
        self._stopping = Event()
        self._url, self._tenant = url, tenant
        self._threads = [
            Thread(target=self._write, args=(each,), daemon=True) for each in range(number)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop, and wait until all have stopped."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _write(self, writer: int) -> None:
        statement = sql.SQL(_INSERT).format(schema=sql.Identifier(self._tenant.placement.schema))
        number = 0
        try:
            with closing(connect(self._url)) as raw:
                while not self._stopping.is_set():
                    name = f"{writer}-{number}"
                    execute(raw, statement, str(self._tenant.id), name)
                    self.acknowledged[name] = time.time()
                    number += 1
        except psycopg2.Error:
            return


def main() -> None:
    parser = make_parser(__spec__.name, rounds=1, seconds=20)
    parser.add_argument("--rows", type=int, default=1_000_000, help="facts (default: %(default)s)")
    parser.add_argument("--writers", type=int, default=4, help="(default: %(default)s)")
    options = parser.parse_args()
    with installation() as installed:
        outcomes = [
            _measure(installed, number, options.rows, options.writers, options.seconds)
            for number in range(options.rounds)
        ]
    line = "\n".join(_describe(each) for each in outcomes)
    print_outcome(
        line, {"bars": BARS, "rounds": [asdict(each) for each in outcomes]}, as_json=options.json
    )


def _measure(
    installed: Installation, number: int, rows: int, writers: int, seconds: float
) -> Outcome:
    """Fill a tenant on a server of its own, write to it, kill the server, and restore."""
    slug = f"{LOST}-{number}"
    with (
        _own_server(installed, slug) as (url, process_id),
        tempfile.TemporaryDirectory(prefix="trially-benchmark-barman-") as folder,
        running_barman(url, Path(folder)) as command,
        installed.app.app_context(),
    ):
        state = state_of(installed.app)
        state.settings = replace(state.settings, barman=command)
        add_server(slug, url, ServerOptions(backup=f"barman:{SERVER}"))
        tenant = create_tenant(slug, "Lost", tier=Tier.DEDICATED_DATABASE, server=slug)
        fill_with_facts(tenant, rows)
        server = get_server(slug)
        take_base_backup(access_to(server), tool_of(server))
        load = Writers(url.set(database=tenant.placement.database), tenant, writers)
        time.sleep(seconds)
        os.kill(process_id, signal.SIGKILL)
        load.stop()
        return _restore(installed, slug, load)


def _restore(installed: Installation, slug: str, load: Writers) -> Outcome:
    """Restore the tenant to the last stored commit, and count what is missing."""
    began, cpu, of_target = time.monotonic(), _cpu(), cpu_seconds(installed.postmaster_id)
    options = RestoreAtOptions(tier=Tier.DEDICATED_DATABASE, server=FIRST_SERVER)
    try:
        operation = restore_at(slug, datetime.now(UTC), f"{slug}-again", options)
    except EndOfWalError as error:
        if error.last_commit is None:
            raise
        # The end of the WAL is known now. An operator would type it.
        began, cpu, of_target = time.monotonic(), _cpu(), cpu_seconds(installed.postmaster_id)
        operation = restore_at(slug, error.last_commit, f"{slug}-again", options)
    seconds = time.monotonic() - began
    names = _names(f"{slug}-again")
    lost = [at for name, at in load.acknowledged.items() if name not in names]
    result = operation.parameters["result"]
    return Outcome(
        acknowledged=len(load.acknowledged),
        recovered=len(load.acknowledged) - len(lost),
        rpo_seconds=round(max(load.acknowledged.values()) - min(lost), 4) if lost else 0.0,
        rto_seconds=round(seconds, 1),
        rows=result["rows"],
        megabytes=round(result["bytes"] / 1e6, 1),
        recovery_seconds=result["recovery_seconds"],
        cpu_seconds=round(_cpu() - cpu, 1),
        target_cpu_seconds=round(cpu_seconds(installed.postmaster_id) - of_target, 1),
    )


def _names(slug: str) -> set[str]:
    tenant = get_tenant(slug)
    placement = tier_of(tenant.placement).placement(tenant.placement)
    with access_to(tenant.placement.server).administer(placement.url.database) as raw:
        query = sql.SQL("SELECT name FROM {}.site").format(sql.Identifier(placement.schema))
        return {name for (name,) in execute(raw, query)}


def _cpu() -> float:
    """Return the CPU time of this process, and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@contextmanager
def _own_server(installed: Installation, name: str) -> Iterator[tuple[URL, int]]:
    directory = installed.settings.instance / name
    server = start_embedded_server(directory)
    postmaster = find_postmaster(directory / DATA)
    assert postmaster is not None
    try:
        yield server.url(), postmaster.process_id
    finally:
        stop_using(directory.resolve())


def _describe(outcome: Outcome) -> str:
    lost = outcome.acknowledged - outcome.recovered
    return (
        f"recovery: {outcome.acknowledged:,} writes acknowledged before kill -9, {lost:,} lost,"
        f" of the last {outcome.rpo_seconds * 1000:.1f} ms; restored {outcome.rows:,} rows"
        f" ({outcome.megabytes:,.0f} MB) in {outcome.rto_seconds:.0f} s, of which the recovery took"
        f" {outcome.recovery_seconds:.0f} s; CPU {outcome.cpu_seconds:.1f} s of the restore and"
        f" Barman, {outcome.target_cpu_seconds:.1f} s of the target"
    )


if __name__ == "__main__":
    main()
