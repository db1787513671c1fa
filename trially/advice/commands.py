"""`flask tenants advise` and `flask servers rebalance`."""

import re
from collections.abc import Collection
from typing import Any

import click

from trially.advice.advising import advise, plan_evening_out
from trially.advice.describing import (
    describe_unplaced,
    lines_of_comparison,
    lines_of_move,
    lines_of_rest,
)
from trially.advice.evening_out import Measure
from trially.advice.rules import THRESHOLDS
from trially.tenancy.catalog_commands import catalog_command
from trially.terminal import NOTHING, json_option, print_json

DISK = re.compile(r"([a-z][a-z0-9-]{0,39})=(\d{1,9})")

limit_option = click.option(
    "--limit",
    type=click.IntRange(1, 200),
    default=10,
    show_default=True,
    help="The most moves. Each is checked, which counts the tenant's rows.",
)


def _read_disks(
    _ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, int]:
    disks = {}
    for value in values:
        matched = DISK.fullmatch(value)
        if matched is None:
            raise click.BadParameter(f"{value!r} is not SERVER=GIB, such as eu1=500.")
        disks[matched[1]] = int(matched[2]) * 2**30
    return disks


disk_option = click.option(
    "--disk",
    "disks",
    multiple=True,
    metavar="SERVER=GIB",
    callback=_read_disks,
    help="The size of a server's disk, which PostgreSQL does not tell. May be repeated.",
)


@catalog_command("advise", loses=NOTHING, only_reads=True)
@limit_option
@disk_option
@click.option("--rules", "shows_rules", is_flag=True, help="Show the thresholds and their sources.")
@json_option
def advise_(*, limit: int, disks: dict[str, int], shows_rules: bool, as_json: bool) -> None:
    """Show which tenants should move where, and why.

    A tenant may have outgrown its tier, its server or its plan. Each move was checked as
    `flask tenants move` checks it. Nothing is changed.

    \b
    Example:
      flask tenants advise --disk default=500
    """  # noqa: D301
    if shows_rules:
        _print_rules(as_json=as_json)
        return
    advice = advise(disks, limit, THRESHOLDS)
    description = advice.describe()
    if as_json:
        print_json(description)
        return
    for each in description["moves"]:
        click.echo(f"{each['tenant']} ({each['rule']}): {each['command']}")
        for line in lines_of_move(each):
            click.echo(f"  {line}")
    for each in map(describe_unplaced, advice.unplaced):
        click.echo(f"{each['subject']} ({each['rule']}): {each['reason']} {each['remedy']}")
    if not description["moves"] and not advice.unplaced:
        click.echo("No rule asks for a move.")
    for line in lines_of_rest(description):
        click.echo(line)


@catalog_command("rebalance", loses=NOTHING, only_reads=True)
@click.option("--plan", "is_plan", is_flag=True, help="Print the commands. Nothing else is done.")
@click.option(
    "--by",
    "measures",
    type=click.Choice([each.value for each in Measure]),
    multiple=True,
    default=[each.value for each in Measure],
    help="What is evened out. May be repeated. By default all.",
)
@limit_option
@disk_option
@json_option
def rebalance(
    *, is_plan: bool, measures: Collection[str], limit: int, disks: dict[str, int], as_json: bool
) -> None:
    """Plan moves that even out the servers of each region.

    Each tenant stays in its tier. The plan is a script of `flask tenants move`, in its order; run
    it when you have read it. Each move was checked. Nothing is changed.

    \b
    Example:
      flask servers rebalance --plan --by size > moves.sh
    """  # noqa: D301
    if not is_plan:
        raise click.UsageError("Servers are not changed by this command. Add --plan for the plan.")
    plan = plan_evening_out(disks, limit, [Measure(each) for each in measures], THRESHOLDS)
    description = plan.describe()
    if as_json:
        print_json(description)
        return
    for line in [*lines_of_comparison(description["comparisons"]), *description["not_compared"]]:
        _comment(line)
    for number, each in enumerate(description["moves"], 1):
        _comment(f"{number}. {each['tenant']}")
        for line in lines_of_move(each):
            _comment(line)
        click.echo(each["command"])
    if not description["moves"]:
        _comment("No move would make the servers more even.")
    for line in lines_of_rest(description):
        _comment(line)


def _comment(line: str) -> None:
    """Print a line that a shell ignores."""
    click.echo("# " + " ".join(line.split()))


def _print_rules(*, as_json: bool) -> None:
    thresholds: dict[str, Any] = {name: vars(each) for name, each in vars(THRESHOLDS).items()}
    if as_json:
        print_json(thresholds)
        return
    for name, each in thresholds.items():
        click.echo(f"{name}: {each['value']:,.10g} {each['unit']}. {each['source']}")
