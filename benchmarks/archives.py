"""Back up and restore a tenant with a million clinical facts, and compare with `pg_dump`.

Rounds alternate, so that both see the same machine: an archive and `pg_dump -Fc`, then a restore as
a new tenant and `pg_restore`. Then many small tenants are backed up in one run, and archives of
some of them are restored for a test.
"""

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from benchmarks.fact_seeding import fill_with_facts
from benchmarks.installation import Installation, installation
from benchmarks.measured_commands import Measured, Programs
from benchmarks.report import make_parser, print_outcome
from benchmarks.restoring import SCHEMAS, TARGET, libpq_environment, run
from trially.embedded_postgres.cluster import find_binaries
from trially.tenancy.archives.finding import archives_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.administrator import administrator_url

LARGE = "large"
BARS = {"time": 1.5, "size": 1.2, "peak_megabytes": 200, "small_seconds": 60, "differences": 0}
FACTS_OF_SMALL = 250
"""The facts of a small tenant, and of its one patient."""


@dataclass(frozen=True)
class Round:
    """One round: the four programs, and the bytes of both files."""

    backup: Measured
    dump: Measured
    restore: Measured
    pg_restore: Measured
    archive_bytes: int
    dump_bytes: int


def main() -> None:
    parser = make_parser(__spec__.name, rounds=3, seconds=1500)
    parser.add_argument("--rows", type=int, default=1_000_000, help="facts (default: %(default)s)")
    parser.add_argument("--small", type=int, default=200, help="tenants (default: %(default)s)")
    parser.add_argument("--drill", type=int, default=50, help="restores (default: %(default)s)")
    options = parser.parse_args()
    with installation() as installed:
        programs = Programs(installed.environment, installed.postmaster_id)
        _seed(installed, options.rows)
        rounds = [_measure(installed, programs, number) for number in range(options.rounds)]
        _seed_small(installed, options.small)
        small = programs.flask("tenants", "backup", "--all", "--unless-newer", "1d", "--quiet")
        drill = programs.flask("backups", "verify", "--sample", str(options.drill), "--json")
    restored = json.loads(drill.printed)
    equal = sum(each["result"] == "all rows equal" for each in restored)
    figures = _summarise(rounds) | {
        "small": {"tenants": options.small, **_figures(small)},
        "drill": {
            "restores": len(restored),
            "differences": len(restored) - equal,
            **_figures(drill),
        },
    }
    print_outcome(_describe(figures, options.rows), {"bars": BARS, **figures}, as_json=options.json)


def _seed(installed: Installation, rows: int) -> None:
    with installed.app.app_context():
        tenant = create_tenant(LARGE, LARGE, tier=Tier.DEDICATED_DATABASE)
        fill_with_facts(tenant, rows)


def _seed_small(installed: Installation, count: int) -> None:
    with installed.app.app_context():
        for number in range(count):
            slug = f"small-{number}"
            fill_with_facts(create_tenant(slug, slug, tier=Tier.POOLED_ROWS), FACTS_OF_SMALL)


def _measure(installed: Installation, programs: Programs, number: int) -> Round:
    """Run the four programs once. What they have restored is removed again."""
    folder, slug = installed.settings.instance, f"restored-{number}"
    backup = programs.flask("tenants", "backup", LARGE)
    with installed.app.app_context():
        tenant = get_tenant(LARGE)
        archive = archives_of(tenant.id)[-1]
    source = administrator_url(installed.settings).set(database=tenant.placement.database)
    file = folder / "large.dump"
    dump = _dump(programs, source, file)
    restore = programs.flask(
        *("tenants", "restore", archive.url, "--as", slug),
        *("--to-tier", Tier.DEDICATED_DATABASE.value),
    )
    pg_restore = _restore(programs, source, file)
    sizes = archive.size, file.stat().st_size
    file.unlink()
    return Round(backup, dump, restore, pg_restore, *sizes)


def _dump(programs: Programs, source: URL, file: Path) -> Measured:
    options = ["-Fc", "--no-owner", "--no-privileges", *(f"--schema={name}" for name in SCHEMAS)]
    command: list[Path | str] = [
        find_binaries() / "pg_dump",
        *options,
        f"--file={file}",
        str(source.database),
    ]
    return programs.run(command, libpq_environment(source))


def _restore(programs: Programs, server: URL, file: Path) -> Measured:
    binaries = find_binaries()
    run([binaries / "createdb", "--template=template0", TARGET], server)
    try:
        options = ["--exit-on-error", "--no-owner", "--no-privileges", f"--dbname={TARGET}"]
        command: list[Path | str] = [binaries / "pg_restore", *options, file]
        return programs.run(command, libpq_environment(server))
    finally:
        run([binaries / "dropdb", "--force", TARGET], server)


def _summarise(rounds: list[Round]) -> dict[str, Any]:
    """Return the medians of each program, and the medians of the ratios of each round."""
    names = ("backup", "dump", "restore", "pg_restore")
    return {
        **{name: _medians([getattr(each, name) for each in rounds]) for name in names},
        "backup_time_ratio": statistics.median(
            each.backup.seconds / each.dump.seconds for each in rounds
        ),
        "restore_time_ratio": statistics.median(
            each.restore.seconds / each.pg_restore.seconds for each in rounds
        ),
        "size_ratio": rounds[-1].archive_bytes / rounds[-1].dump_bytes,
        "archive_bytes": rounds[-1].archive_bytes,
        "dump_bytes": rounds[-1].dump_bytes,
    }


def _medians(measured: list[Measured]) -> dict[str, float]:
    each = [_figures(one) for one in measured]
    return {name: statistics.median(one[name] for one in each) for name in each[0]}


def _figures(measured: Measured) -> dict[str, float]:
    return {name: value for name, value in vars(measured).items() if name != "printed"}


def _describe(figures: dict[str, Any], rows: int) -> str:
    lines = [
        f"{name}, {rows:,} facts: {_described(figures[name])}"
        for name in ("backup", "dump", "restore", "pg_restore")
    ]
    small, drill = figures["small"], figures["drill"]
    return "\n".join(
        [
            *lines,
            (
                f"backup {figures['backup_time_ratio']:.2f} x the time of pg_dump -Fc,"
                f" {figures['size_ratio']:.2f} x its size"
                f" ({figures['archive_bytes'] / 1e6:.1f} MB);"
                f" restore {figures['restore_time_ratio']:.2f} x the time of pg_restore"
            ),
            f"{small['tenants']} small tenants: {_described(small)}",
            (
                f"restore drill: {drill['restores']} tenants, {drill['differences']} differences,"
                f" {_described(drill)}"
            ),
        ]
    )


def _described(figures: dict[str, float]) -> str:
    return (
        f"{figures['seconds']:.1f} s, CPU {figures['cpu_seconds']:.1f} s and PostgreSQL"
        f" {figures['postgres_cpu_seconds']:.1f} s, at most {figures['peak_megabytes']:.0f} MB"
    )


if __name__ == "__main__":
    main()
