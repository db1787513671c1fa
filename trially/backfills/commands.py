"""`flask tenants backfill run` and `status`."""

import sys
import time
from collections import Counter
from typing import Any

import click

from trially.backfills.model import BackfillState
from trially.backfills.registry import choose
from trially.backfills.running import (
    FillingOptions,
    FillingProgress,
    Outcome,
    find_tenants,
    run_backfills,
)
from trially.backfills.status import read_positions
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import NOTHING, json_option, plural, print_items, print_json, table_options
from trially.terminal.durations import describe_seconds

COLUMNS = ("slug", "server", "backfill", "state", "visited", "changed", "error")
STATUS_COLUMNS = (*COLUMNS[:-1], "left", "rate", "time_left", "error")
OPTIONAL = ("server", "changed", "rate")
LINE_SECONDS = 5.0

_name = click.option("--name", help="Only this backfill, such as 0023_fill_places.")


class _ProgressLine:
    """Prints the progress on standard error: one line that changes, or now and then."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._next = time.monotonic() + (0 if self._is_terminal else LINE_SECONDS)

    def __call__(self, progress: FillingProgress) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0 if self._is_terminal else LINE_SECONDS)
        failed = sum(each.outcome is Outcome.FAILED for each in progress.filled)
        pace, left = progress.pace, progress.pace.seconds_left
        line = (
            f"{len(progress.filled)} of {progress.total} done, {failed} failed,"
            f" {plural(pace.rows, 'row')} visited, {pace.rate:.0f}/s"
            + ("" if left is None else f", about {describe_seconds(left)} left")
        )
        click.echo(f"\r\033[K{line}" if self._is_terminal else line, err=True, nl=False)
        if not self._is_terminal:
            click.echo(err=True)

    def end(self) -> None:
        """Clear the line that changes."""
        if self._is_terminal:
            click.echo("\r\033[K", err=True, nl=False)


@catalog_command("run", loses=NOTHING)
@click.argument("slugs", nargs=-1, metavar="[SLUG]...", shell_complete=complete_slug)
@click.option("--all", "is_all", is_flag=True, help="Fill all tenants.")
@_name
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=FillingOptions.workers,
    show_default=True,
    help="The most tenants of one server at a time.",
)
@click.option(
    "--rate",
    type=click.FloatRange(1),
    default=FillingOptions.rate,
    show_default=True,
    help="The most rows of one server in a second.",
)
@json_option
def run(
    slugs: tuple[str, ...], *, is_all: bool, name: str | None, as_json: bool, **options: Any
) -> None:
    """Run the backfills of the tenants SLUG, or of all, in batches.

    A backfill goes on where it was interrupted. A tenant that fails is named; the others are
    filled. The exit status is 1 unless each is done.

    \b
    Examples:
      flask tenants backfill run --all
      flask tenants backfill run acme --name 0023_fill_places --rate 500
    """  # noqa: D301
    if bool(slugs) == is_all:
        raise click.UsageError("Name tenants, or pass --all.")
    line = _ProgressLine()
    progress = run_backfills(choose(name), find_tenants(slugs), FillingOptions(**options), line)
    line.end()
    left = [each.as_item() for each in progress.filled if each.outcome is not Outcome.DONE]
    if as_json:
        print_json(
            {
                "done": len(progress.filled) - len(left),
                "visited": progress.pace.rows,
                "seconds": round(progress.pace.seconds, 1),
                "rate": round(progress.pace.rate, 1),
                "left": left,
            }
        )
    else:
        if left:
            print_items(left, COLUMNS, as_json=False, texts=("error",), optional=OPTIONAL)
        click.echo(_sentence(Counter(each.outcome.value for each in progress.filled)))
    if left:
        raise click.exceptions.Exit(1)


@catalog_command("status", loses=NOTHING, only_reads=True)
@click.argument("slugs", nargs=-1, metavar="[SLUG]...", shell_complete=complete_slug)
@click.option("--all", "is_all", is_flag=True, help="List what is done too.")
@_name
@table_options
def status(slugs: tuple[str, ...], *, is_all: bool, name: str | None, as_json: bool) -> None:
    """List the tenants whose backfills are not done, and how far they are.

    The rate is that since the first batch, and the time left follows from it.
    """
    items = read_positions(choose(name), find_tenants(slugs))
    shown = [item for item in items if is_all or item["state"] != BackfillState.DONE]
    if as_json:
        print_json(shown)
    elif shown:
        rows = [{**item, "time_left": _describe(item["seconds_left"])} for item in shown]
        print_items(rows, STATUS_COLUMNS, as_json=False, texts=("error",), optional=OPTIONAL)
    if not as_json:
        click.echo(_sentence(Counter(item["state"] for item in items)))


def _describe(seconds: float | None) -> str | None:
    return None if seconds is None else describe_seconds(seconds)


def _sentence(states: Counter[str]) -> str:
    counted = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    return f"{plural(states.total(), 'backfill')} of tenants: {counted or 'none'}."
