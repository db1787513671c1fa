"""`flask tenants backup`."""

import datetime as dt
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import chain
from typing import Any, Self
from uuid import UUID

import click

from trially.errors import OperatorError
from trially.tenancy.archives.adopting import adopt_archives
from trially.tenancy.archives.backup_runs import one_at_a_time, remove_unfinished
from trially.tenancy.archives.backups import (
    Backup,
    BackupOptions,
    back_up_many,
    slugs_to_back_up,
)
from trially.tenancy.archives.finding import last_sizes
from trially.tenancy.archives.places import default_place, url_of
from trially.tenancy.archives.retention import Keep, KeepRule, remove, superfluous_archives
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import get_tenant
from trially.terminal import Loss, plural, print_items, table_options
from trially.terminal.durations import Duration, describe_seconds

LINE_SECONDS = 0.5
COLUMNS = ("tenant", "rows", "size", "seconds", "url", "error")


class SomeNotBackedUpError(OperatorError):
    """Some tenants could not be backed up."""


def _loss(*, keep: Keep | None, dry_run: bool, **_: Any) -> Loss | None:
    """Return that `--keep` removes archives. How many, only the archives of this run decide."""
    if keep is None or dry_run:
        return None
    return Loss(f"Archives that {keep} does not keep will be removed.", "Back up and remove?")


@catalog_command("backup", loses=_loss)
@click.argument("slugs", metavar="[SLUG]...", nargs=-1, shell_complete=complete_slug)
@click.option("--all", "is_all", is_flag=True, help="Back up all tenants.")
@click.option(
    "--unless-newer",
    type=Duration(),
    help="With --all: leave out tenants with an archive that is younger, such as 20h.",
)
@click.option(
    "--to", "place", help="URL or folder for the archives. By default TRIALLY_BACKUP_URL."
)
@click.option(
    "--keep",
    type=KeepRule(),
    help="Afterwards keep the newest archive of so many days, weeks, months, such as 7d,4w,6m.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 32),
    default=2,
    show_default=True,
    help="How many tenants are backed up at a time. Each takes two connections of the budget.",
)
@click.option("--rate", type=click.FloatRange(0.001), help="MB of an archive written per second.")
@click.option(
    "--max-snapshot",
    type=Duration(),
    default="1h",
    show_default=True,
    help="Stop an archive whose snapshot is held longer, because it holds back vacuum.",
)
@click.option("--quiet", "is_quiet", is_flag=True, help="Print failures only, as cron needs it.")
@click.option("--dry-run", is_flag=True, help="Only list the tenants.")
@table_options
def backup(
    slugs: tuple[str, ...],
    *,
    is_all: bool,
    unless_newer: float | None,
    place: str | None,
    keep: Keep | None,
    workers: int,
    rate: float | None,
    max_snapshot: float,
    is_quiet: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write an encrypted archive of each tenant SLUG.

    The archive has all rows of one moment, whatever the tier. A failure stops no other tenant; the
    exit status is 1 then. An archive that was interrupted does not exist. Run the command again
    with --unless-newer to back up what is missing. One process at a time backs up all tenants.
    Archives that a killed run had completed, and not recorded, are recorded first.

    \b
    Examples:
      flask tenants backup acme
      flask tenants backup --all --unless-newer 20h --keep 7d,4w,6m --yes
    """  # noqa: D301
    if bool(slugs) == is_all:
        raise click.UsageError("Name tenants by their slugs, or use --all.")
    place = url_of(place) if place else default_place()
    if not dry_run:
        tenants = [None] if is_all else [get_tenant(slug).id for slug in slugs]
        _adopt(place, tenants, is_quiet=is_quiet)
    younger = None if unless_newer is None else dt.timedelta(seconds=unless_newer)
    chosen = slugs_to_back_up(younger) if is_all else [get_tenant(slug).slug for slug in slugs]
    if dry_run:
        print_items([{"tenant": slug} for slug in chosen], ("tenant",), as_json=as_json)
        return
    options = BackupOptions(
        place,
        longest_seconds=max_snapshot,
        bytes_per_second=rate and rate * 1e6,
    )
    with one_at_a_time() if is_all else nullcontext():
        remove_unfinished(options.place)
        done = _back_up(chosen, options, workers, is_quiet=is_quiet)
        removed = _prune(keep, [each.slug for each in done if each.error is None])
    failed = [each.slug for each in done if each.error is not None]
    shown = [each for each in done if each.error is not None or not is_quiet]
    if shown or as_json:
        print_items(
            [describe(each) for each in shown],
            COLUMNS,
            as_json=as_json,
            texts=("url", "error"),
            optional=("error",),
        )
    if removed and not (as_json or is_quiet):
        click.echo(f"Removed {plural(removed, 'archive')}.")
    if failed:
        raise SomeNotBackedUpError(
            f"{plural(len(failed), 'tenant')} could not be backed up: {', '.join(failed)}. Correct"
            " the causes, and run the command again."
        )


def _adopt(place: str, tenant_ids: Sequence[UUID | None], *, is_quiet: bool) -> None:
    """Record the archives that killed backups had completed, and tell what cannot be read."""
    for each in chain.from_iterable(adopt_archives(place, tenant_id) for tenant_id in tenant_ids):
        if each.error is not None:
            click.echo(f"{each.url} was not recorded: {each.error}", err=True)
        elif not is_quiet:
            click.echo(f"Recorded {each.url}, which a killed backup had completed.", err=True)


def _back_up(
    slugs: Sequence[str], options: BackupOptions, workers: int, *, is_quiet: bool
) -> list[Backup]:
    done = []
    with BackupLine(len(slugs), last_sizes(slugs), is_quiet=is_quiet) as line:
        for each in back_up_many(slugs, options, workers, line.count):
            line.end_tenant()
            done.append(each)
    return done


def _prune(keep: Keep | None, slugs: Sequence[str]) -> int:
    """Remove archives of the tenants that have a new one, and return the number."""
    if keep is None or not slugs:
        return 0
    return sum(1 for _ in remove(superfluous_archives(keep, slugs)))


def describe(backup: Backup) -> dict[str, Any]:
    """Return what is printed of a backup. `size` is in bytes."""
    archive = backup.archive
    if archive is None:
        return {**dict.fromkeys(COLUMNS), "tenant": backup.slug, "error": backup.error}
    return {
        "tenant": backup.slug,
        "archive": str(archive.id),
        "rows": archive.rows,
        "size": archive.size,
        "seconds": archive.seconds,
        "url": archive.url,
        "sha256": archive.sha256,
        "snapshot_at": archive.snapshot_at,
        "error": None,
    }


class BackupLine:
    """Shows on a terminal how many tenants are done, how fast rows are read, and the time left.

    `sizes` are the expected bytes of rows of the tenants. Without one, tenants are counted.
    """

    def __init__(
        self, tenants: int, sizes: Mapping[str, int] | None = None, *, is_quiet: bool = False
    ) -> None:
        self._tenants, self._done, self._bytes = tenants, 0, 0
        self._expected = sum(sizes.values()) if sizes and len(sizes) == tenants else None
        self._began = self._next = time.monotonic()
        self._lock = threading.Lock()
        self._is_terminal = sys.stderr.isatty() and not is_quiet

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the line."""
        if self._is_terminal:
            click.echo(err=True)

    def count(self, slug: str, table: str, count: int) -> None:
        """Count bytes of rows. Threads may call it at once."""
        with self._lock:
            self._bytes += count
            self._show(f"{slug}, {table}")

    def end_tenant(self) -> None:
        """Count a tenant that is done."""
        with self._lock:
            self._done += 1
            self._show("")

    def _show(self, at: str) -> None:
        now = time.monotonic()
        if not self._is_terminal or now < self._next:
            return
        self._next = now + LINE_SECONDS
        seconds = max(now - self._began, 0.001)
        rate, left = self._bytes / seconds / 1e6, self._share_left()
        time_left = "" if left is None else f", {describe_seconds(seconds * left)} left"
        text = f"{self._done} of {self._tenants} tenants, {rate:.1f} MB/s{time_left} {at}"
        click.echo(f"\r\033[K{text}", nl=False, err=True)

    def _share_left(self) -> float | None:
        """Return how much is left, in relation to what is done; None if that is unknown."""
        if self._expected is not None and self._bytes:
            return max(0, self._expected - self._bytes) / self._bytes
        return (self._tenants - self._done) / self._done if self._done else None
