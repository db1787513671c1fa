"""`flask audit operators`: list the records of the catalog's log."""

import csv
import datetime as dt
import sys
from collections.abc import Sequence
from typing import Any

import click
import orjson

from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.operators.reading import ActionFilter, list_actions
from trially.terminal import (
    NOTHING,
    print_items,
    table_options,
)

COLUMNS = ("at", "actor", "action", "target", "outcome", "reason", "host")
TIMES = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would run a cell that begins so."""


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
