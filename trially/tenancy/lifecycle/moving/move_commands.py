"""`flask tenants move`, `move-back` and `settle-moves`."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_server
from trially.tenancy.lifecycle.moving.kept import kept_placements
from trially.tenancy.lifecycle.moving.moves import (
    BlockedMoveError,
    Check,
    MoveOptions,
    check_move,
    check_move_back,
    move_back,
    move_tenant,
)
from trially.tenancy.lifecycle.moving.reporting import MoveLine, print_check, print_move
from trially.tenancy.lifecycle.moving.settling import Settled, UnsettledError, settle
from trially.tenancy.lifecycle.tenant_commands import slug_argument
from trially.tenancy.repeating import in_rounds
from trially.tenancy.tiers import TIERS
from trially.terminal import NOTHING, json_option, plural, print_items, table_options
from trially.terminal.durations import Duration

MOVED_TIERS = [tier.value for tier, kind in TIERS.items() if kind.can_move]

DEFAULTS = MoveOptions()

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Only check, and show what the move would take."
)


def move_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `MoveOptions` to a command."""
    options: tuple[Callable[[Any], Any], ...] = (
        click.option(
            "--max-pause",
            type=Duration(),
            default="100ms",
            show_default=True,
            help="The longest time that requests may wait for the switch. If it would take longer,"
            " the tenant is served as before, and the switch is tried again.",
        ),
        click.option(
            "--window",
            "give_up_seconds",
            type=Duration(),
            default="10m",
            show_default=True,
            help="How long to wait for a moment for the switch, after the copy.",
        ),
        click.option(
            "--keep-source",
            "keep_seconds",
            type=Duration(),
            default="24h",
            show_default=True,
            help="How long the former placement is kept, so that the tenant can move back.",
        ),
        click.option(
            "--max-wal",
            type=click.IntRange(1),
            default=DEFAULTS.max_wal_bytes // 2**20,
            show_default=True,
            help="MiB of WAL that the source may retain for the move. The move ends beyond that.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@catalog_command("move", loses=NOTHING)
@slug_argument
@click.option(
    "--to-tier", type=click.Choice(MOVED_TIERS), help="The new tier. By default its present one."
)
@click.option(
    "--to-server",
    shell_complete=complete_server,
    help="The new server. By default its present one.",
)
@move_options
@dry_run_option
@json_option
def move(
    slug: str,
    *,
    to_tier: str | None,
    to_server: str | None,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Move the tenant SLUG to another tier or server while it works.

    Its rows are copied and compared while it is served. Then its requests wait for a moment, and
    go on at the new placement. If anything fails before that, nothing has changed. Ctrl-C aborts.

    \b
    Examples:
      flask tenants move acme --to-tier dedicated_database
      flask tenants move acme --to-server eu2 --max-pause 50ms
    """  # noqa: D301
    if to_tier is None and to_server is None:
        raise click.UsageError("Say where the tenant is to move: --to-tier, --to-server, or both.")
    tier = Tier(to_tier) if to_tier else None
    if dry_run:
        _show(check_move(slug, tier, to_server), as_json=as_json)
        return
    with MoveLine() as line:
        operation = move_tenant(slug, tier, to_server, read_options(**options))
        line.end()
    print_move(operation, as_json=as_json)


@catalog_command("move-back", loses=NOTHING)
@slug_argument
@move_options
@dry_run_option
@json_option
def move_back_(slug: str, *, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Move the tenant SLUG back to the placement that it left last.

    What was written since is copied, so nothing is lost. Only rows that differ are copied.
    """
    if dry_run:
        _show(check_move_back(slug), as_json=as_json)
        return
    with MoveLine() as line:
        operation = move_back(slug, read_options(**options))
        line.end()
    print_move(operation, as_json=as_json)


@catalog_command("settle-moves", loses=NOTHING)
@click.option("--every", type=Duration(), help="Repeat at this interval, such as 5s, until ended.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@table_options
def settle_moves(*, every: float | None, dry_run: bool, as_json: bool) -> None:
    """Finish interrupted switches, and remove placements whose time to be kept is over.

    A process of the deployment runs it all the time, so that a tenant whose mover died in the
    switch is served within seconds.

    \b
    Example:
      flask tenants settle-moves --every 5s
    """  # noqa: D301

    def settle_once() -> Sequence[Settled]:
        settled = settle(is_dry_run=dry_run)
        if every is None or settled:
            _print(settled, as_json=as_json)
        return settled

    settled = in_rounds(every, settle_once)
    if failed := [each for each in settled if each.error is not None]:
        raise UnsettledError(
            f"What moves of {plural(len(failed), 'tenant')} have left could not be settled."
            " Correct the causes, and run the command again."
        )


def _show(check: Check, *, as_json: bool) -> None:
    """Print what a move would take, or raise `BlockedMoveError`."""
    print_check(check, as_json=as_json)
    if check.blockers:
        raise BlockedMoveError(check.blockers)


def _print(settled: Sequence[Settled], *, as_json: bool) -> None:
    if settled or as_json:
        columns = ("tenant", "action", "placement", "error")
        items = [vars(each) for each in settled]
        print_items(items, columns, as_json=as_json, texts=("error",), optional=("error",))
    elif kept := kept_placements():
        click.echo(f"Nothing to settle. {plural(len(kept), 'former placement')} kept.")
    else:
        click.echo("Nothing to settle.")


def read_options(*, max_wal: int, **options: Any) -> MoveOptions:
    """Return the options of `move_options`."""
    return MoveOptions(max_wal_bytes=max_wal * 2**20, **options)
