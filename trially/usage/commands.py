"""The commands `flask usage …`."""

import csv
import datetime as dt
import io
import sys
from collections.abc import Sequence
from typing import Any

import click
import orjson

from trially.audit.working import working
from trially.config import current_settings
from trially.database.session import transaction
from trially.errors import OperatorError
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import get_tenant, slugs_of_created
from trially.tenancy.schema.failures import describe_failure
from trially.terminal import NOTHING, json_option, plural, print_items, print_json, table_options
from trially.usage.bringing_up_to_date import copy_to_catalog, count_days
from trially.usage.cloud_events import events_of
from trially.usage.days import Month
from trially.usage.explaining import explain
from trially.usage.reporting import TenantUsage, lines_of, usage_of_month

_SHOWN = ("tenant", "plan", "meter", "quantity", "unit", "included", "overage", "unit_days", "days")
_DAYS = ("day", "quantity", "included", "quality", "counted_at", "counts_now", "ids")


class NotCountedError(OperatorError):
    """The days of some tenants could not be counted."""


class MonthOption(click.ParamType[Month]):
    """A month, such as 2026-11."""

    name = "month"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Month:
        """Return the month, or fail."""
        if isinstance(value, Month):
            return value
        try:
            return Month.of(dt.datetime.strptime(str(value), "%Y-%m").replace(tzinfo=dt.UTC).date())
        except ValueError:
            self.fail(f"{value!r} is no month. Write a month such as 2026-11.", param, ctx)


month_option = click.option(
    "--month", type=MonthOption(), required=True, help="The month, such as 2026-11."
)
tenant_option = click.option(
    "--tenant",
    "reference",
    metavar="SLUG",
    shell_complete=complete_slug,
    help="One tenant, by its slug or id; an erased one by its id. By default all.",
)


@catalog_command("report", loses=NOTHING, only_reads=True, needs_routes=False)
@month_option
@tenant_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--explain", "explains", is_flag=True, help="Show the rows behind each number.")
@table_options
def report(
    month: Month, reference: str | None, *, as_csv: bool, explains: bool, as_json: bool
) -> None:
    """Show what tenants used in a month, meter by meter.

    `quantity` is the highest number of a day, or the sum of all days. `overage` is by how much a
    day exceeded what the plan included. Prices are not known here. With --explain, each number
    is shown with its query and the rows of its days.

    \b
    Examples:
      flask usage report --month 2026-11 --csv
      flask usage report --month 2026-11 --tenant acme --explain
    """  # noqa: D301 - click reads \b
    if as_csv and (as_json or explains):
        raise click.UsageError("Use --csv alone: --json and --explain print something else.")
    used = list(usage_of_month(month, reference))
    if not any(each.days for each in used) and not as_json:
        click.echo(
            f"No day of {month} was counted yet. A day is counted after it has ended.", err=True
        )
    if explains:
        _print_explanations(list(explain(used)), as_json=as_json)
        return
    lines, missing = [], []
    for each in used:
        lines += lines_of(each)
        if each.missing:
            missing.append(_describe_missing(each))
    if as_csv:
        click.echo(_to_csv(lines), nl=False)
    else:
        print_items(lines, _SHOWN, as_json=as_json, optional=("days", "unit_days", "plan"))
    for sentence in missing:
        click.echo(sentence, err=True)


@catalog_command("export", loses=NOTHING, only_reads=True, needs_routes=False)
@click.option("--month", type=MonthOption(), help="The month, such as 2026-11.")
@click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), help="A single day instead, such as 2026-11-26."
)
@tenant_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["cloudevents"]),
    default="cloudevents",
    show_default=True,
    help="The form of a line.",
)
@json_option
def export(
    month: Month | None,
    day: dt.datetime | None,
    reference: str | None,
    *,
    form: str,
    as_json: bool,
) -> None:
    """Print the days of a month as CloudEvents, one in a line.

    Each tenant, meter and day is an event of CloudEvents 1.0. Its id is always the same, so a month
    may be sent twice. With --json, the events are a list, as a batch is sent.

    \b
    Example:
      flask usage export --month 2026-11 --format cloudevents > november.ndjson
    """  # noqa: D301
    del form  # There is only one.
    only = None if day is None else day.date()
    period = month if only is None else Month.of(only)
    if period is None or (month is not None and only is not None):
        raise click.UsageError("Name either a month with --month, or a day with --day.")
    events = events_of(usage_of_month(period, reference), current_settings().public_url, only)
    if as_json:
        print_json(list(events))
        return
    for event in events:
        sys.stdout.write(orjson.dumps(event, option=orjson.OPT_UTC_Z).decode() + "\n")


@catalog_command("count", loses=NOTHING)
@tenant_option
@json_option
def count(reference: str | None, *, as_json: bool) -> None:
    """Count the days that have ended and are not counted yet.

    Workers do this at the end of each day. Suspended tenants are counted by this command, or when
    they are resumed. A day that is counted later is marked as such.

    \b
    Example:
      flask usage count --tenant acme
    """  # noqa: D301
    slugs = slugs_of_created() if reference is None else [get_tenant(reference).slug]
    done, failed = [], []
    for slug in slugs:
        try:
            done.append({"tenant": slug, "days": _count(slug)})
        except Exception as error:  # noqa: BLE001  the tenants after this one must be counted
            failed.append(f"{slug}: {describe_failure(error)}")
    if as_json:
        print_json(done)
    else:
        days = sum(len(each["days"]) for each in done)
        click.echo(f"Counted {plural(days, 'day')} of {plural(len(done), 'tenant')}.")
    if failed:
        raise NotCountedError("\n".join(["Some tenants were not counted.", *failed]))


def _count(slug: str) -> list[dt.date]:
    now = dt.datetime.now(dt.UTC)
    with administered_tenant(slug), working():
        with transaction():
            days = count_days(now)
        with transaction():
            copy_to_catalog(now)
    return days


def _to_csv(lines: Sequence[dict[str, Any]]) -> str:
    if not lines:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _describe_missing(used: TenantUsage) -> str:
    first, last = used.missing[0], used.missing[-1]
    period = f"{first}" if first == last else f"{first} to {last}"
    return (
        f"{used.name}: {plural(len(used.missing), 'day')} not counted ({period})."
        f" `flask usage count --tenant {used.name}` counts what can still be counted."
    )


def _print_explanations(explained: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(explained)
        return
    for number, each in enumerate(explained):
        if number:
            click.echo()
        click.echo(f"{each['tenant']} {each['meter']}, in the {each['database']}:")
        click.echo(f"  {each['query']}")
        names = [name for name in _DAYS if any(name in day for day in each["days"])]
        print_items([{**dict.fromkeys(names), **day} for day in each["days"]], names, as_json=False)
