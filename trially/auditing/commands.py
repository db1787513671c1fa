"""The commands `flask audit list` and `flask audit report`."""

import datetime as dt
import sys
from itertools import islice
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any
from uuid import UUID

import click

from trially.audit.actors import act_for
from trially.audit.forms import Action, Purpose
from trially.audit.working import showing_patients
from trially.auditing.disclosures import describe, disclosures_of, write_report
from trially.auditing.entries import Reading, conditions_of
from trially.auditing.files import spool
from trially.auditing.log_files import write_csv
from trially.auditing.report import Report
from trially.auditing.words import person_of
from trially.database.rows import Item
from trially.errors import OperatorError
from trially.http.problems import NotFound
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import NOTHING, print_items, print_json, table_options

TIMES = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])
LOG = ("at", "who", "action", "route", "outcome", "patient_count", "changed", "id")
REPORT = ("at", "who", "how", "seen", "changed", "why")


class NoSuchPatientError(OperatorError):
    """The tenant has no such patient."""


@catalog_command("list", loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
@click.option("--since", type=TIMES, help="Only from this time on, in UTC.")
@click.option("--until", type=TIMES, help="Only before this time, in UTC.")
@click.option("--member", "member_id", type=click.UUID, help="Only of this member.")
@click.option("--patient", "patient_id", type=click.UUID, help="Only about this patient.")
@click.option("--action", type=click.Choice([each.value for each in Action]), help="Only this.")
@click.option("--route", help="Only of this route or command.")
@click.option("--outcome", type=int, help="Only with this HTTP status.")
@click.option("--request", "request_id", help="Only of this request.")
@click.option("--operator", help="Only of this operator.")
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="At most this many."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with all fields.")
@table_options
def list_(slug: str, *, limit: int, as_csv: bool, as_json: bool, **options: Any) -> None:
    """List the records of the audit log of the tenant SLUG, newest first.

    Old and new values about patients are not shown. The command is recorded in the same log.

    \b
    Example:
      flask audit list acme --patient 019bb5ee-3c1d-7d32-a7a8-c3f9b7a1e0aa
    """  # noqa: D301 - click reads \b
    query = _query_of(options)
    with administered_tenant(slug), showing_patients(Action.EXPORT) as work:
        act_for(Purpose.COMPLIANCE)
        work.show([])
        entries = islice(Reading(conditions_of(query)).stream(), limit)
        if as_csv:
            file = spool(lambda target: write_csv(target, entries))
        else:
            items = list(entries)
    if as_csv:
        _send(file, sys.stdout.buffer)
    elif as_json:
        print_json(items)
    else:
        print_items([_summary(each) for each in items], LOG, as_json=False, texts=["who", "route"])


@catalog_command("report", loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
@click.argument("patient_id", type=click.UUID)
@click.option("--since", type=TIMES, help="Only from this time on, in UTC.")
@click.option("--until", type=TIMES, help="Only before this time, in UTC.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@table_options
def report(
    slug: str,
    patient_id: UUID,
    *,
    html: Path | None,
    as_csv: bool,
    as_json: bool,
    **period: dt.datetime | None,
) -> None:
    """Report who saw and changed the data of PATIENT_ID, to be given to the patient.

    The report is in plain words, and names no other patient. The command is recorded in the same
    log.

    \b
    Example:
      flask audit report acme 019bb5ee-3c1d-7d32-a7a8-c3f9b7a1e0aa --html report.html
    """  # noqa: D301 - click reads \b
    query = _query_of(period)
    with administered_tenant(slug) as entry, showing_patients() as work:
        act_for(Purpose.PATIENT_REQUEST)
        try:
            lines = map(describe, disclosures_of(patient_id, query).stream())
        except NotFound as error:
            raise NoSuchPatientError(f"{slug} has no patient {patient_id}.") from error
        work.show([patient_id])
        if html is not None:
            page = Report(entry.name, patient_id, query.get("since"), query.get("until"))
            file = spool(lambda target: page.write_html(target, lines))
        elif as_csv:
            file = spool(lambda target: write_report(target, lines))
        else:
            items = list(lines)
    if html is not None:
        with html.open("wb") as page_file:
            _send(file, page_file)
    elif as_csv:
        _send(file, sys.stdout.buffer)
    else:
        print_items(items, REPORT, as_json=as_json, texts=REPORT[1:])


def _send(file: IO[bytes], target: IO[bytes]) -> None:
    """Send a file, after its record was written."""
    with file:
        copyfileobj(file, target)


def _query_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return the filters that were passed. Times without a zone are in UTC."""
    return {
        name: value.replace(tzinfo=value.tzinfo or dt.UTC)
        if isinstance(value, dt.datetime)
        else value
        for name, value in options.items()
        if value is not None
    }


def _summary(entry: Item) -> Item:
    """Return a record as a row of a table."""
    changed = sorted(
        {f"{each['table']}.{name}" for each in entry["changes"] for name in each["columns"]}
    )
    return entry | {"who": person_of(entry), "changed": changed}
