"""`flask tenants restore`: an archive, or a tenant as it was at a time."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from trially.tenancy.archives.backup_commands import BackupLine
from trially.tenancy.archives.backups import BackupOptions
from trially.tenancy.archives.finding import find_url
from trially.tenancy.archives.loading import NOT_LOADED
from trially.tenancy.archives.manifest import Manifest
from trially.tenancy.archives.places import default_place, url_of
from trially.tenancy.archives.progress import RestoreProgress, advanced
from trially.tenancy.archives.reading import read_header_at
from trially.tenancy.archives.replacing import refuse_foreign, replace_with
from trially.tenancy.archives.restoring import RestoreOptions, restore_as, verify_before
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_server
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving.reporting import MoveLine
from trially.tenancy.recovery.restoring import RestoreAtOptions, describe_restore, restore_at
from trially.tenancy.recovery.times import read_time
from trially.tenancy.tiers import TIERS
from trially.terminal import Loss, json_option, plural, print_item

RESTORED_TIERS = [tier.value for tier, kind in TIERS.items() if kind.can_move]


def _loss(source: str, *, replaces: bool, dry_run: bool, **_: Any) -> Loss | None:
    """Return what `--replace` takes away."""
    if not replaces or dry_run:
        return None
    header = read_header_at(find_url(source))
    slug = get_tenant(str(header.tenant_id)).slug
    return Loss(
        f"The rows of the tenant {slug} will be replaced by those of the archive. An archive of the"
        " present rows is written first. The audit log goes on.",
        "Replace?",
    )


@catalog_command("restore", loses=_loss)
@click.argument("source", metavar="ARCHIVE|SLUG")
@click.option(
    "--at", "time", metavar="TIME", help="Restore the tenant SLUG as it was then, in ISO 8601."
)
@click.option("--as", "slug", metavar="SLUG", help="Restore it as a new tenant with this slug.")
@click.option("--replace", "replaces", is_flag=True, help="Replace the rows of its own tenant.")
@click.option("--name", help="With --as: the name of the new organisation.")
@click.option(
    "--to-tier",
    type=click.Choice(RESTORED_TIERS),
    help="By default that of the archive or time; with --replace the tenant's present one.",
)
@click.option("--to-server", shell_complete=complete_server, help="By default one of its region.")
@click.option("--backup-to", help="With --replace: where the present rows are archived before.")
@click.option("--dry-run", is_flag=True, help="Only verify the archive, and show what it holds.")
@json_option
def restore(
    source: str,
    *,
    time: str | None,
    slug: str | None,
    replaces: bool,
    name: str | None,
    to_tier: str | None,
    to_server: str | None,
    backup_to: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Restore an archive, given by its id, URL or path; or a tenant as it was at a time.

    The whole archive is verified before anything changes. It is migrated if it is older. The new
    tenant gets the members of the archive, but not its audit log and its jobs.

    With --at, the tenant's server is recovered in a folder of this host from a base backup and
    WAL. The rows of this one tenant are copied and compared, and the folder is deleted.

    \b
    Examples:
      flask tenants restore acme.trially --as acme-yesterday --to-tier dedicated_database
      flask tenants restore 01a21a9b-3558-755e-8c14-788853b6f248 --replace
      flask tenants restore s3://backups/acme.trially --dry-run
      flask tenants restore acme --at 2026-11-27T09:30:00-05:00 --as acme-before
    """  # noqa: D301
    if time is not None:
        if slug is None or replaces or backup_to or dry_run:
            raise click.UsageError("--at restores a tenant as another one: it needs --as alone.")
        at = read_time(time, dt.datetime.now(dt.UTC))
        tier = Tier(to_tier) if to_tier else None
        _restore_at(source, at, slug, RestoreAtOptions(name, tier, to_server), as_json=as_json)
        return
    if not dry_run and (slug is None) != replaces:
        raise click.UsageError("Say where to restore it: --as SLUG, or --replace.")
    url = find_url(source)
    manifest = verify_before(url)
    item = _describe(url, manifest)
    options = RestoreOptions(name, Tier(to_tier) if to_tier else None, to_server)
    if dry_run:
        sentence = (
            f"The archive is complete: {manifest.rows:,} rows of {manifest.slug} at"
            f" {manifest.snapshot_at:%Y-%m-%d %H:%M:%S %Z}, revision {manifest.revision}. Nothing"
            " was changed."
        )
        print_item(item, sentence, as_json=as_json)
        return
    with _shown_progress(manifest.size):
        if slug is not None:
            restored = restore_as(url, slug, manifest, options)
            item |= {"slug": restored.slug, "tier": restored.placement.tier}
            loaded = sum(each.rows for each in manifest.tables if each.name not in NOT_LOADED)
            sentence = f"Restored {manifest.slug} as {slug}: {loaded:,} rows. All are equal."
        else:
            tenant = get_tenant(str(manifest.header.tenant_id))
            refuse_foreign(manifest, tenant)
            place = url_of(backup_to) if backup_to else default_place()
            before = replace_with(url, tenant.slug, manifest, options, BackupOptions(place))
            item |= {"slug": tenant.slug, "before": before.url}
            sentence = (
                f"Replaced the rows of {tenant.slug}. All are equal to those of the archive.\n"
                f"The rows before are in {before.url}."
            )
    print_item(item, sentence, as_json=as_json)


def _restore_at(
    slug: str, at: dt.datetime, new_slug: str, options: RestoreAtOptions, *, as_json: bool
) -> None:
    with MoveLine() as line:
        operation = restore_at(slug, at, new_slug, options)
        line.end()
    item = describe_restore(operation)
    sentence = (
        f"Restored {slug} as it was at {item['at']} as {new_slug}, in {item['seconds']:.1f} s."
        f" Copied {plural(item['rows'], 'row')} ({item['bytes'] / 1e6:,.1f} MB). All rows were"
        " compared, and are equal. Audit log and jobs are not restored.\n"
        f"`flask tenants diff-data {slug} {new_slug}` shows what has changed since."
    )
    print_item(item, sentence, as_json=as_json)


def _describe(url: str, manifest: Manifest) -> dict[str, Any]:
    return {
        "url": url,
        "archive": str(manifest.header.archive_id),
        "archived_slug": manifest.slug,
        "snapshot_at": manifest.snapshot_at,
        "revision": manifest.revision,
        "rows": manifest.rows,
        "tables": {
            table.name: {"rows": table.rows, "hash": table.hash} for table in manifest.tables
        },
    }


@contextmanager
def _shown_progress(size: int) -> Iterator[None]:
    with BackupLine(1, {"": size}) as line:
        counted = 0

        def show(progress: RestoreProgress) -> None:
            nonlocal counted
            line.count("restore", progress.table, progress.bytes - counted)
            counted = progress.bytes

        with advanced.connected_to(show):
            yield
