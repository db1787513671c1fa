"""The commands `flask analytics …`."""

import datetime as dt
from dataclasses import asdict

import click

from trially.analytics.publishing import share_counts
from trially.analytics.storing import sharing_tenants
from trially.analytics.sums import sums_of, today
from trially.audit.working import working
from trially.errors import OperatorError
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context
from trially.tenancy.organisations.managing import get_organisation
from trially.tenancy.schema.failures import describe_failure
from trially.terminal import (
    NOTHING,
    json_option,
    plural,
    print_items,
    print_json,
    table_options,
)

_SHOWN = ("measure", "study", "value", "at_least", "at_most")


class NotCountedError(OperatorError):
    """Some tenants could not be counted."""


@catalog_command("count", loses=NOTHING)
@json_option
def count(*, as_json: bool) -> None:
    """Count the tenants that share counts and were not counted for a week.

    Each is counted as itself, in its own transaction and in bounded time, if its owner has
    consented. Workers do this by themselves. A failure stops no other tenant.

    \b
    Example:
      flask analytics count
    """  # noqa: D301
    done, failed = [], []
    for slug in sharing_tenants():
        try:
            with tenant_context(slug), working():
                counted = share_counts()
            done.append({"tenant": slug, "counted": [each.about for each in counted]})
        except Exception as error:  # noqa: BLE001  the tenants after this one must be counted
            failed.append(f"{slug}: {describe_failure(error)}")
    if as_json:
        print_json(done)
    else:
        number = sum(bool(each["counted"]) for each in done)
        click.echo(f"Counted {number} of {plural(len(done), 'tenant')}.")
    if failed:
        raise NotCountedError("\n".join(["Some tenants were not counted.", *failed]))


@catalog_command("show", loses=NOTHING, only_reads=True, needs_routes=False)
@click.argument("organisation", metavar="ORGANISATION")
@click.option(
    "--on",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The newest counts at the end of this day in UTC. By default today.",
)
@table_options
def show(organisation: str, *, day: dt.datetime | None, as_json: bool) -> None:
    """Show sums over the tenants of ORGANISATION, as its people see them.

    \b
    Example:
      flask analytics show midwest --on 2026-11-27
    """  # noqa: D301
    date = today() if day is None else day.date()
    with catalog_transaction() as session:
        sums = sums_of(session, get_organisation(session, organisation).id, date)
    items = [asdict(each) for each in sums.sums]
    if not as_json:
        click.echo(f"{plural(sums.tenants, 'tenant')}, on {sums.day}.")
    print_items(items, _SHOWN, as_json=as_json)
