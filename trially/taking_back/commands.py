"""`flask tenants diff-data`."""

from collections.abc import Sequence
from typing import Any

import click

from trially.state import app_state
from trially.taking_back.differences import TableDifference, compare_data
from trially.taking_back.taking import TakenBack, take_back
from trially.taking_back.values import Values, changed_values
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.tenant_commands import slug_argument
from trially.terminal import Loss, plural, print_items, print_json, table_options
from trially.terminal.printing import format_value

SHOWN_KEYS = 10


def loss_of_taking_back(
    slug: str,
    copy_slug: str,
    *,
    taken: tuple[str, ...],
    keys: tuple[str, ...],
    only_changed: bool,
    dry_run: bool,
    **_: Any,
) -> Loss | None:
    """Return how many present rows are overwritten."""
    if not taken or dry_run:
        return None
    planned = take_back(slug, copy_slug, taken, keys, only_changed=only_changed, is_dry_run=True)
    updated = sum(each.updated for each in planned)
    if not updated:
        return None
    return Loss(
        f"{plural(updated, 'row')} of {slug} will get the values that {copy_slug} has. What was"
        " changed in them since will be lost.",
        "Overwrite them?",
    )


@catalog_command("diff-data", loses=loss_of_taking_back)
@slug_argument
@click.argument("copy_slug", metavar="NEW", shell_complete=complete_slug)
@click.option("--table", "tables", multiple=True, help="A table to compare. May be repeated.")
@click.option(
    "--take-back",
    "taken",
    multiple=True,
    metavar="TABLE",
    help="Write the rows of a table that were deleted or changed since, as NEW has them.",
)
@click.option("--key", "keys", multiple=True, metavar="ID", help="Take back only this row.")
@click.option("--where-changed", "only_changed", is_flag=True, help="Take back no deleted rows.")
@click.option("--dry-run", is_flag=True, help="Only show what would be taken back.")
@click.option(
    "--show-values",
    is_flag=True,
    help="Show the values of the first 100 changed rows. It needs a support grant for SLUG.",
)
@table_options
def diff_data(
    slug: str,
    copy_slug: str,
    *,
    tables: tuple[str, ...],
    taken: tuple[str, ...],
    keys: tuple[str, ...],
    only_changed: bool,
    dry_run: bool,
    show_values: bool,
    as_json: bool,
) -> None:
    """Compare the rows of the tenant SLUG with those of NEW, a restored copy of it.

    It shows tables and ids, and values only with --show-values. Rows that were added to SLUG since
    are never deleted.

    \b
    Examples:
      flask tenants diff-data acme acme-before --table patient
      flask tenants diff-data acme acme-before --take-back study --dry-run
    """  # noqa: D301
    if not taken:
        if keys or only_changed or dry_run:
            raise click.UsageError("--key, --where-changed and --dry-run need --take-back.")
        differences = compare_data(slug, copy_slug, tables)
        values = _read_values(slug, copy_slug, differences) if show_values else {}
        _print_differences(differences, values, as_json=as_json)
        return
    written = take_back(slug, copy_slug, taken, keys, only_changed=only_changed, is_dry_run=dry_run)
    _print_taken(written, as_json=as_json, is_dry_run=dry_run)


def _read_values(slug: str, copy_slug: str, differences: Sequence[TableDifference]) -> Values:
    action = app_state().running_action
    return changed_values(slug, copy_slug, differences, action.reason if action else None)


def _print_differences(
    differences: Sequence[TableDifference], values: Values, *, as_json: bool
) -> None:
    if as_json:
        print_json([vars(each) | _values_of(each, values) for each in differences])
        return
    if not differences:
        click.echo("All rows are equal.")
    for each in differences:
        click.echo(
            f"{each.table}: {len(each.added):,} added since, {len(each.removed):,} deleted since,"
            f" {len(each.changed):,} changed since"
        )
        for what, ids in (("deleted", each.removed), ("changed", each.changed)):
            for key in ids[:SHOWN_KEYS]:
                click.echo(f"  {what}  {key}")
                for column, value in values.get(each.table, {}).get(key, {}).items():
                    shown = f"{format_value(value['then'])} -> {format_value(value['now'])}"
                    click.echo(f"    {column}: {shown}")
            if len(ids) > SHOWN_KEYS:
                click.echo(f"  … {len(ids) - SHOWN_KEYS:,} more, with --json")


def _values_of(difference: TableDifference, values: Values) -> dict[str, Any]:
    return {"values": values[difference.table]} if difference.table in values else {}


def _print_taken(written: Sequence[TakenBack], *, as_json: bool, is_dry_run: bool) -> None:
    if as_json or written:
        print_items(
            [vars(each) for each in written], ("table", "inserted", "updated"), as_json=as_json
        )
    else:
        click.echo("There is nothing to take back.")
    if is_dry_run and not as_json:
        click.echo("Nothing was written.")
