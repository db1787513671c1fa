"""`flask tenants downgrade`."""

from collections.abc import Sequence
from typing import Any

import click

from trially.errors import OperatorError
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.migrating.downgrading import Downgrade, plan_downgrades
from trially.terminal import Loss, plural, print_items, table_options


class DowngradeError(OperatorError):
    """Some tenants could not be downgraded."""


def loss_of_downgrading_tenants(
    slugs: Sequence[str], target: str, *, dry_run: bool, **_: Any
) -> Loss | None:
    """Return the tables and columns that are dropped, with their rows."""
    planned = [] if dry_run else plan_downgrades(slugs, target)
    if not planned:
        return None
    lines = "\n".join(f"  - {_sentence(each)}" for each in planned)
    return Loss(
        f"{plural(len(planned), 'placement')} will be migrated back to {target}:\n{lines}\nWhat is"
        " dropped is gone. Only a backup has it.",
        "Downgrade?",
    )


@catalog_command("downgrade", loses=loss_of_downgrading_tenants)
@click.argument("slugs", metavar="SLUG...", nargs=-1, required=True, shell_complete=complete_slug)
@click.option("--to", "target", required=True, help="The revision, such as 0012.")
@click.option("--dry-run", is_flag=True, help="Only show what would be dropped.")
@table_options
def downgrade(slugs: Sequence[str], target: str, *, dry_run: bool, as_json: bool) -> None:
    """Migrate the tenants SLUG back to a revision.

    Tenants that share tables are migrated back together. A tenant that fails stays as it was, and
    the others are migrated back all the same.

    \b
    Example:
      flask tenants downgrade acme --to 0012
    """  # noqa: D301
    planned = plan_downgrades(slugs, target)
    if not dry_run:
        for each in planned:
            each.carry_out()
    if not planned and not as_json:
        click.echo(f"No tenant is above {target}. Nothing was changed.")
        return
    print_items(
        [_describe(each) for each in planned],
        ("tenants", "from", "to", "drops", "ms", "error"),
        as_json=as_json,
        texts=("tenants", "drops", "error"),
        optional=("ms", "error"),
    )
    failed = [str(each.place) for each in planned if each.error is not None]
    if failed:
        raise DowngradeError(f"{plural(len(failed), 'placement')} failed: {'; '.join(failed)}.")


def _sentence(each: Downgrade) -> str:
    counted = ", ".join(
        f"{name}: {'an unknown number' if number is None else number}"
        for name, number in each.rows.items()
    )
    lost = f" (rows and values: {counted})" if counted else ""
    return f"{each.place}, from {each.revision}: drops {each.dropped}{lost}"


def _describe(each: Downgrade) -> dict[str, Any]:
    return {
        "tenants": each.place.slugs,
        "from": each.revision,
        "to": each.target,
        "drops": str(each.dropped),
        "rows": each.rows,
        "ms": each.ms,
        "error": each.error,
    }
