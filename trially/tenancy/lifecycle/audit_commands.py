"""`flask audit …`, about the catalog's log."""

import csv
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from trially.errors import OperatorError
from trially.seals import append_seals, read_seals
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.operators.keeping import prune_operators, seal_operators, verify_operators
from trially.tenancy.operators.reading import ActionFilter, list_actions
from trially.terminal import (
    NOTHING,
    Loss,
    json_option,
    plural,
    print_item,
    print_items,
    table_options,
)

COLUMNS = ("at", "actor", "action", "target", "outcome", "reason", "host")
TIMES = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would run a cell that begins so."""


class LogChangedError(OperatorError):
    """The log is not as it was sealed."""


def loss_of_year(year: int, **_: Any) -> Loss:
    """Return what a prune removes."""
    return Loss(
        f"All records of operators' actions of {year} will be removed. Their seals stay.",
        f"Remove the records of {year}?",
    )


@catalog_command("operators", loses=NOTHING)
@click.option("--since", type=TIMES, help="Only from this time on, in UTC.")
@click.option("--until", type=TIMES, help="Only before this time, in UTC.")
@click.option("--actor", help="Only of this account or member.")
@click.option("--action", help="Only this action. `tenants*` means all that begin so.")
@click.option("--target", help="Only about this tenant, server or subject. May end with `*`.")
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="At most this many."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with all fields.")
@table_options
def operators(
    *,
    since: dt.datetime | None,
    until: dt.datetime | None,
    as_csv: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """List operators' actions, changes of the catalog and sign-ins, newest first.

    An action without a result is `unfinished`: it is running, or its process died.

    \b
    Example:
      flask audit operators --target acme --since 2026-01-01
    """  # noqa: D301
    items = list_actions(ActionFilter(since=_in_utc(since), until=_in_utc(until), **options))
    if as_csv:
        _print_csv(items)
        return
    print_items(
        items,
        COLUMNS,
        as_json=as_json,
        texts=("target", "reason"),
        optional=("reason", "outcome", "target", "host"),
    )


@catalog_command("seal", loses=NOTHING)
@click.option(
    "--witness",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file outside the database that the new seals are added to.",
)
@json_option
def seal(*, witness: Path | None, as_json: bool) -> None:
    """Seal the records of operators' actions that have no seal yet."""
    seals = seal_operators()
    if witness is not None:
        append_seals(witness, seals)
    records = sum(each.count for each in seals)
    item = {
        "seals": len(seals),
        "records": records,
        "last": seals[-1].hash.hex() if seals else None,
    }
    print_item(
        item,
        f"Sealed {plural(records, 'record')} with {plural(len(seals), 'seal')}.",
        as_json=as_json,
    )


@catalog_command("verify", loses=NOTHING)
@click.option("--operators", "is_of_operators", is_flag=True, required=True, help="The catalog's.")
@click.option(
    "--witness",
    "witnesses",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    help="A file that `flask audit seal --witness` wrote. May be repeated.",
)
@json_option
def verify(*, is_of_operators: bool, witnesses: Sequence[Path], as_json: bool) -> None:  # noqa: ARG001
    """Verify that the log is as it was sealed.

    Exits with 1 and names the first record or seal that was changed, is missing or was added. Only
    a witness shows that the end was cut off, or that everything was sealed again.
    """
    verdict = verify_operators(each for path in witnesses for each in read_seals(path))
    if verdict.fault is not None:
        raise LogChangedError(verdict.fault.sentence)
    print_item(
        {
            "intact": True,
            "seals": verdict.seals,
            "records": verdict.records,
            "pruned": verdict.pruned,
            "unsealed": verdict.unsealed,
        },
        f"The log is as it was sealed: {plural(verdict.records, 'record')} in"
        f" {plural(verdict.seals, 'seal')}. Removed by a prune: {verdict.pruned}. Not sealed yet:"
        f" {verdict.unsealed}.",
        as_json=as_json,
    )


@catalog_command("prune", loses=loss_of_year)
@click.argument("year", type=click.IntRange(2000, 9999))
@json_option
def prune(year: int, *, as_json: bool) -> None:
    """Remove the records of operators' actions of YEAR, which must be more than six years ago.

    The records are sealed first, and their seals stay. The removal is recorded.
    """
    records = prune_operators(year)
    print_item(
        {"year": year, "records": records},
        f"Removed {plural(records, 'record')} of {year}.",
        as_json=as_json,
    )


def _in_utc(time: dt.datetime | None) -> dt.datetime | None:
    return time.replace(tzinfo=dt.UTC) if time is not None and time.tzinfo is None else time


def _print_csv(items: Sequence[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if items:
        writer.writerow(items[0])
    for item in items:
        writer.writerow([_cell(value) for value in item.values()])


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        text = orjson.dumps(value).decode()
    elif isinstance(value, dt.datetime):
        text = value.astimezone(dt.UTC).isoformat()
    else:
        text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
