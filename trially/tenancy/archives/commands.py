"""`flask backups …`: list, show, verify and prune archives, and print the key of one."""

from typing import Any
from uuid import UUID

import click

from trially.errors import OperatorError
from trially.tenancy.archives.archive_keys import identity_text
from trially.tenancy.archives.checking import check, choose
from trially.tenancy.archives.finding import find_archive, find_url, list_archives
from trially.tenancy.archives.model import Archive
from trially.tenancy.archives.reading import key_of, read_header_at
from trially.tenancy.archives.retention import Keep, KeepRule, remove, superfluous_archives
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import (
    NOTHING,
    Loss,
    json_option,
    plural,
    print_item,
    print_items,
    print_record,
    progress_bar,
    table_options,
)

COLUMNS = ("tenant", "snapshot_at", "rows", "size", "verified", "id")


class UnequalArchiveError(OperatorError):
    """Some archives could not be restored with equal rows."""


@catalog_command("list", loses=NOTHING, only_reads=True, needs_routes=False)
@click.argument("slugs", metavar="[SLUG]...", nargs=-1, shell_complete=complete_slug)
@click.option("--removed", "with_removed", is_flag=True, help="List removed archives too.")
@table_options
def list_(slugs: tuple[str, ...], *, with_removed: bool, as_json: bool) -> None:
    """List the archives of all tenants or of each SLUG, newest first."""
    found = list_archives(slugs, with_removed=with_removed)
    print_items([_describe(each) for each in found], COLUMNS, as_json=as_json)


@catalog_command("show", loses=NOTHING, only_reads=True, needs_routes=False)
@click.argument("archive_id", type=click.UUID)
@json_option
def show(archive_id: UUID, *, as_json: bool) -> None:
    """Show what the catalog knows of an archive."""
    print_record(_describe(find_archive(archive_id)), as_json=as_json)


@catalog_command("verify", loses=NOTHING)
@click.argument("slugs", metavar="[SLUG]...", nargs=-1, shell_complete=complete_slug)
@click.option(
    "--sample",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="How many tenants are chosen at random.",
)
@table_options
def verify(slugs: tuple[str, ...], *, sample: int, as_json: bool) -> None:
    """Restore the newest archives for a test, and compare all rows.

    Each is restored into a placement of its own that no request can reach, and removed again. The
    result is recorded. The exit status is 1 if an archive could not be restored.

    \b
    Examples:
      flask backups verify --sample 10
      flask backups verify acme
    """  # noqa: D301
    chosen = choose(slugs, sample)
    with progress_bar(check(chosen), "Restoring", len(chosen)) as checked:
        results = [
            {**_describe(each.archive), "result": each.error or "all rows equal"}
            for each in checked
        ]
    print_items(
        results, ("tenant", "snapshot_at", "rows", "result"), as_json=as_json, texts=("result",)
    )
    failed = [each for each in results if each["result"] != "all rows equal"]
    if failed:
        raise UnequalArchiveError(f"{plural(len(failed), 'archive')} could not be restored.")


def _superfluous(keep: Keep, slugs: tuple[str, ...], *, dry_run: bool, **_: Any) -> Loss | None:
    found = [] if dry_run else superfluous_archives(keep, slugs)
    return Loss(f"{plural(len(found), 'archive')} will be removed.", "Remove?") if found else None


@catalog_command("prune", loses=_superfluous)
@click.argument("slugs", metavar="[SLUG]...", nargs=-1, shell_complete=complete_slug)
@click.option(
    "--keep",
    type=KeepRule(),
    required=True,
    help="Keep the newest archive of so many hours, days, weeks, months or years: 7d,4w,6m.",
)
@click.option("--dry-run", is_flag=True, help="Only list the archives.")
@table_options
def prune(slugs: tuple[str, ...], *, keep: Keep, dry_run: bool, as_json: bool) -> None:
    """Remove the archives that --keep does not keep. The newest one of a tenant always stays."""
    found = superfluous_archives(keep, slugs)
    removed = found if dry_run else list(remove(found))
    print_items([_describe(each) for each in removed], COLUMNS, as_json=as_json)


def _disclosed(**_: Any) -> Loss:
    return Loss(
        "Whoever has this key can read all rows of the archive. The command is recorded.",
        "Print the key?",
    )


@catalog_command("key", loses=_disclosed)
@click.argument("archive")
@json_option
def key(archive: str, *, as_json: bool) -> None:
    """Print the age key that opens ARCHIVE, and no other archive.

    `tools/read_archive.py` reads an archive with it, without trially.
    """
    header = read_header_at(find_url(archive))
    text = identity_text(key_of(header), header.archive_id)
    print_item({"archive": str(header.archive_id), "key": text}, text, as_json=as_json)


def _describe(archive: Archive) -> dict[str, Any]:
    if archive.verified_at is None:
        verified = "never"
    else:
        verified = archive.verification or f"{archive.verified_at:%Y-%m-%d}, all rows equal"
    return {
        "id": str(archive.id),
        "tenant": archive.tenant_slug,
        "tenant_id": str(archive.tenant_id),
        "snapshot_at": archive.snapshot_at,
        "rows": archive.rows,
        "size": archive.size,
        "seconds": archive.seconds,
        "revision": archive.revision,
        "key_version": archive.key_version,
        "sha256": archive.sha256,
        "url": archive.url,
        "verified": verified,
        "verified_at": archive.verified_at,
        "removed_at": archive.removed_at,
    }
