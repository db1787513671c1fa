"""Print what an import did, for people."""

from collections.abc import Mapping, Sequence

import click

from trially.database.rows import Item
from trially.recruiting.imports.faults import INPUT_CODES
from trially.recruiting.imports.model import Completeness
from trially.recruiting.imports.run_counts import COUNTED
from trially.terminal import plural, print_items

FILES_SHOWN = 10


def print_report(job: Item, ignored_files: Sequence[str], groups: Sequence[Item]) -> None:
    """Print the counts of an import, what it ignored, and its faults in groups."""
    rows = [{"resource": kind, **counts} for kind, counts in sorted(job["counts"].items())]
    print_items(rows, ("resource", *COUNTED), as_json=False)
    if job["passed_over"]:
        types = ", ".join(f"{kind} {number}" for kind, number in sorted(job["passed_over"].items()))
        click.echo(f"Ignored resources, of types that are not imported: {types}.")
    if ignored_files:
        more = len(ignored_files) - FILES_SHOWN
        names = ", ".join(ignored_files[:FILES_SHOWN]) + (f" and {more} more" if more > 0 else "")
        click.echo(f"Ignored files, because of their names: {names}.")
    if job["error_count"]:
        _print_faults(job, groups)


def print_missing(job: Item, first: Mapping[str, Sequence[Item]]) -> None:
    """Print how many records of its source an import lacks, and the first ones of each type."""
    if job["completeness"] == Completeness.LISTED and not job["missing"]:
        click.echo("The full export has all records of the source.")
    for kind, records in first.items():
        number = job["missing"][kind]
        more = f" and {number - len(records):,} more" if number > len(records) else ""
        names = ", ".join(
            f"{each['base_url']}/{kind}/{each['source_id']}".removeprefix("/") for each in records
        )
        click.echo(f"Missing from the full export: {kind} {number:,}: {names}{more}.")


def _print_faults(job: Item, groups: Sequence[Item]) -> None:
    """Print the groups of an import's faults: those of the whole input first."""
    click.echo(
        f"{plural(job['error_count'], 'error')}, {job['refused_count']:,} of them a line or record"
        " that was not imported."
    )
    for group in sorted(groups, key=lambda group: group["code"] not in INPUT_CODES):
        about = f" ({group['resource_type']})" if group["resource_type"] else ""
        click.echo(f"  {group['code']}{about}: {group['count']:,}")
        for fault in group["examples"]:
            click.echo(f"    {_describe(fault)}")
        if group["count"] > len(group["examples"]):
            click.echo(f"    … and {group['count'] - len(group['examples']):,} more.")


def _describe(fault: Item) -> str:
    record = f", {fault['resource_type']}/{fault['resource_id']}" if fault["resource_id"] else ""
    pointer = f" ({fault['pointer']})" if fault["pointer"] else ""
    missing = f" Missing: {fault['missing_id']}." if fault["missing_id"] else ""
    place = f"{fault['file']}, line {fault['line']}{record}: " if fault["file"] else ""
    return f"{place}{fault['reason']}{pointer}{missing}"
