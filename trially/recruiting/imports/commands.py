"""`flask imports …`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import select

from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant
from trially.recruiting.imports.jobs import COUNTED, SHOWN
from trially.recruiting.imports.model import ImportFault, ImportJob, ImportState
from trially.recruiting.imports.reading.source_files import (
    ImportSourceError,
    SourceFile,
    find_passed_over,
    find_source_files,
)
from trially.recruiting.imports.running import fingerprint_of, run_import
from trially.recruiting.patients.model import MANUAL_SOURCE
from trially.tenancy.command_groups import CatalogGroup
from trially.tenancy.context import tenant_context
from trially.terminal import (
    json_option,
    print_items,
    print_json,
)

FAULTS_SHOWN = 10
FILES_SHOWN = 10
LONGEST_SOURCE = 64

imports = CatalogGroup("imports", help="Bring records into a tenant.")


@imports.command("fhir")
@click.argument("slug", metavar="TENANT")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--source",
    default="fhir",
    show_default=True,
    callback=lambda _context, _parameter, value: _check_source(value),
    help="Where the records are from.",
)
@click.option("--strict", is_flag=True, help="Stop at the first bad line.")
@json_option
def fhir(slug: str, paths: Sequence[Path], *, source: str, strict: bool, as_json: bool) -> None:
    """Import FHIR R4 records into TENANT.

    PATHS are Bundles, NDJSON files, folders of either, a Bulk Data export, or a tar of them;
    any of it may be compressed. An import that was cut off goes on when it is given again.
    """
    parts = find_source_files(paths)
    passed_over_files = find_passed_over(paths)
    with tenant_context(slug), _progress_bar(parts, is_shown=not as_json) as progress:
        job = run_import(
            parts,
            source=source,
            fingerprint=fingerprint_of(parts),
            strict=strict,
            started_by="command line",
            progress=progress,
        )
        faults = _list_faults(job, FAULTS_SHOWN)
    if as_json:
        print_json({**job, "passed_over_files": passed_over_files, "errors": faults})
    else:
        _print_report(job, passed_over_files, faults)
    if job["state"] == ImportState.FAILED:
        raise ImportSourceError(f"The import stopped at {job['failure']}")


@imports.command("list")
@click.argument("slug", metavar="TENANT")
@json_option
def list_(slug: str, *, as_json: bool) -> None:
    """List the imports of TENANT, newest first."""
    with tenant_context(slug):
        columns = columns_named(ImportJob, SHOWN)
        items = fetch_items(
            select(*columns)
            .where(of_current_tenant(ImportJob))
            .order_by(ImportJob.id.desc())
            .limit(100)
        )
    print_items(
        items, ("id", "source", "state", "error_count", "created_at", "ended_at"), as_json=as_json
    )


@contextmanager
def _progress_bar(parts: Sequence[SourceFile], *, is_shown: bool) -> Iterator[Any]:
    console = Console(stderr=True)
    if not is_shown or not console.is_terminal:
        yield lambda _done: None
        return
    columns = (TextColumn("Importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=sum(part.size for part in parts))
        yield lambda done: bar.update(task, completed=done)


def _list_faults(job: Item, limit: int) -> list[Item]:
    columns = columns_named(ImportFault, ("file", "line", "reason", "pointer"))
    return fetch_items(
        select(*columns)
        .where(of_current_tenant(ImportFault), ImportFault.import_id == job["id"])
        .order_by(ImportFault.id)
        .limit(limit)
    )


def _check_source(source: str) -> str:
    if not source.strip() or len(source) > LONGEST_SOURCE or "\0" in source:
        raise click.BadParameter(f"must have 1 to {LONGEST_SOURCE} characters.")
    if source == MANUAL_SOURCE:
        raise click.BadParameter("must not be the source of patients entered by hand.")
    return source


def _print_report(job: Item, passed_over_files: Sequence[str], faults: Sequence[Item]) -> None:
    rows = [{"resource": kind, **counts} for kind, counts in sorted(job["counts"].items())]
    print_items(rows, ("resource", *COUNTED), as_json=False)
    if job["passed_over"]:
        named = ", ".join(f"{kind} {n}" for kind, n in sorted(job["passed_over"].items()))
        click.echo(f"Passed over, as recruiting has no use for them: {named}.")
    if passed_over_files:
        more = len(passed_over_files) - FILES_SHOWN
        named = ", ".join(passed_over_files[:FILES_SHOWN]) + (
            f" and {more} more" if more > 0 else ""
        )
        click.echo(f"Not read, by their names: {named}.")
    if job["error_count"]:
        click.echo(f"{job['error_count']} lines could not be taken in:")
        for fault in faults:
            where = f" ({fault['pointer']})" if fault["pointer"] else ""
            click.echo(f"  {fault['file']}, line {fault['line']}: {fault['reason']}{where}")
        if job["error_count"] > len(faults):
            click.echo(f"  … and {job['error_count'] - len(faults)} more.")
