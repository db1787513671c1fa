"""The commands `flask imports …` about records that wait for a patient."""

import datetime as dt
from typing import Any

import click
from sqlalchemy import select

from trially.audit.working import showing_patients, working
from trially.database.rows import columns_named, fetch_items, of_current_tenant
from trially.database.session import transaction
from trially.recruiting.imports.waiting.model import WaitingFact
from trially.recruiting.imports.waiting.queries import count_waiting, delete_waiting
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import (
    NOTHING,
    Loss,
    json_option,
    plural,
    print_items,
    print_json,
    table_options,
)

WAITING_SHOWN = 100


@catalog_command("waiting", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@table_options
def waiting(slug: str, *, as_json: bool) -> None:
    """List the first 100 records of TENANT that wait for a patient, oldest first."""
    with administered_tenant(slug), showing_patients() as shown:
        columns = columns_named(
            WaitingFact, ("source", "source_type", "source_id", "patient_key", "waiting_since")
        )
        items = fetch_items(
            select(*columns)
            .where(of_current_tenant(WaitingFact))
            .order_by(WaitingFact.id)
            .limit(WAITING_SHOWN)
        )
        shown.show_unknown()
    print_items(
        items,
        ("source", "source_type", "source_id", "patient_key", "waiting_since"),
        as_json=as_json,
        optional=("waiting_since",),
    )


def loss_of_waiting(slug: str, source: str, older_than: int, **_: Any) -> Loss | None:
    """Return how many records no longer wait."""
    with administered_tenant(slug), working():
        number = count_waiting(source, dt.timedelta(days=older_than))
    if not number:
        return None
    return Loss(
        f"{plural(number, 'record')} of {slug} from {source!r} that wait for a patient will be"
        " deleted.",
        "Delete the records?",
    )


@catalog_command("forget", loses=loss_of_waiting)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@click.argument("source", metavar="SOURCE")
@click.option(
    "--older-than",
    default=0,
    show_default=True,
    type=click.IntRange(0, 36_500),
    help="Only records that have waited for more days than these.",
)
@json_option
def forget(slug: str, source: str, *, older_than: int, as_json: bool) -> None:
    """Delete the records of SOURCE in TENANT that wait for a patient.

    \b
    Example:
      flask imports forget acme epic --older-than 90
    """  # noqa: D301 - click reads \b
    with administered_tenant(slug), working(), transaction():
        number = delete_waiting(source, dt.timedelta(days=older_than))
    if as_json:
        print_json({"source": source, "deleted": number})
    else:
        click.echo(f"Deleted {plural(number, 'record')} that waited for a patient.")
