"""`flask tenants ready`."""

from collections.abc import Sequence
from typing import Any

import click

from trially.errors import OperatorError
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.claim_notices import ClaimNotices
from trially.tenancy.lifecycle.filling import AlreadyFillingError, Stock, fill_ready, read_stocks
from trially.tenancy.repeating import in_rounds
from trially.terminal import NOTHING, plural, print_items, table_options
from trially.terminal.durations import Duration


class NotReadyError(OperatorError):
    """Ready tenants could not be created or removed on some servers."""


@catalog_command("ready", loses=NOTHING)
@click.option("--every", type=Duration(), help="Repeat at this interval, such as 10s, until ended.")
@click.option("--dry-run", is_flag=True, help="Only show how many are ready and wanted.")
@table_options
def ready(*, every: float | None, dry_run: bool, as_json: bool) -> None:
    """Keep as many tenants ready as TRIALLY_READY_TENANTS says.

    A new tenant of the tier takes over a ready one, which takes milliseconds. Ready tenants that
    are too many are removed. With --every, the command also fills after each new tenant that has
    taken over one.

    \b
    Example:
      flask tenants ready --every 10s
    """  # noqa: D301

    def fill_once() -> list[Stock]:
        try:
            stocks = read_stocks() if dry_run else fill_ready()
        except AlreadyFillingError:
            if every is None:
                raise
            return []
        failed = [stock for stock in stocks if stock.error is not None]
        if every is None or failed or any(stock.created or stock.removed for stock in stocks):
            _print(stocks, as_json=as_json)
        return failed

    if failed := in_rounds(every, fill_once, ClaimNotices().wait):
        raise NotReadyError(
            f"Ready tenants of {plural(len(failed), 'tier')} could not be created or removed."
            " Correct the causes, and run the command again."
        )


def _print(stocks: Sequence[Stock], *, as_json: bool) -> None:
    if not stocks and not as_json:
        click.echo("No tenant is kept ready. TRIALLY_READY_TENANTS says how many should be.")
        return
    print_items(
        [_describe(stock) for stock in stocks],
        ("server", "tier", "wanted", "ready", "created", "removed", "error"),
        as_json=as_json,
        texts=("error",),
        optional=("error", "removed"),
    )


def _describe(stock: Stock) -> dict[str, Any]:
    return {name: value for name, value in vars(stock).items() if name != "server_id"}
