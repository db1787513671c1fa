"""`flask servers drain`."""

from collections.abc import Iterator
from typing import Any

import click

from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_server
from trially.tenancy.lifecycle.moving.draining import (
    Drained,
    NotEmptiedError,
    move_off,
    tenants_on,
)
from trially.tenancy.lifecycle.moving.move_commands import move_options, read_options
from trially.tenancy.lifecycle.server_descriptions import describe_servers
from trially.tenancy.servers import registering
from trially.terminal import NOTHING, plural, print_item, print_items, table_options


@catalog_command("drain", loses=NOTHING)
@click.argument("name", shell_complete=complete_server)
@click.option("--move", "moves", is_flag=True, help="Move its tenants to other servers.")
@click.option("--dry-run", is_flag=True, help="With --move: only list the tenants to move.")
@move_options
@table_options
def drain(name: str, *, moves: bool, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Stop placing tenants on the server NAME.

    Tenants on it stay, or move to other servers while they work, each in its tier.

    \b
    Example:
      flask servers drain eu1 --move
    """  # noqa: D301
    if dry_run and not moves:
        raise click.UsageError("--dry-run needs --move.")
    was_draining = registering.get_server(name).is_draining
    if not moves:
        server = registering.drain_server(name, is_draining=True)
        sentence = f"{name} is draining already." if was_draining else f"Draining {name}."
        print_item(describe_servers([server])[0], sentence, as_json=as_json)
        return
    tenants = tenants_on(name)
    if dry_run:
        _print([Drained(each.slug, each.placement.tier, name) for each in tenants], as_json=as_json)
        return
    registering.drain_server(name, is_draining=True)
    drained = list(_announced(move_off(tenants, read_options(**options)), len(tenants)))
    _print(drained, as_json=as_json)
    if failed := [each for each in drained if each.error is not None]:
        raise NotEmptiedError(
            f"{plural(len(failed), 'tenant')} could not be moved and stayed on {name}. Correct the"
            " causes, and run the command again."
        )


def _announced(drained: Iterator[Drained], total: int) -> Iterator[Drained]:
    """Say on standard error how far it is."""
    for number, each in enumerate(drained, 1):
        outcome = f"on {each.server}" if each.error is None else "failed"
        click.echo(f"{number} of {total}: {each.tenant} {outcome}", err=True)
        yield each


def _print(drained: list[Drained], *, as_json: bool) -> None:
    if not drained and not as_json:
        click.echo("The server has no tenants.")
        return
    print_items(
        [vars(each) for each in drained],
        ("tenant", "tier", "server", "pause_ms", "error"),
        as_json=as_json,
        texts=("error",),
        optional=("error", "pause_ms", "server"),
    )
