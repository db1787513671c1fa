"""The commands `flask imports …`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import select

from trially.config import current_settings
from trially.database.model import length_of
from trially.database.rows import (
    Item,
    columns_named,
    fetch_items,
    find_item,
    of_current_tenant,
)
from trially.plain_text import is_plain
from trially.recruiting.imports.deleting import delete_import
from trially.recruiting.imports.import_run import COUNTED, SHOWN_COLUMNS
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.model import ImportFault, ImportJob, ImportState
from trially.recruiting.imports.reading.resources import ResourceReader, read_resources
from trially.recruiting.imports.reading.source_files import (
    ImportSourceError,
    SourceFile,
    find_ignored_files,
    find_source_files,
)
from trially.recruiting.imports.running import ImportStoppedError, fingerprint_of, run_import
from trially.recruiting.patients.model import MANUAL_SOURCE
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant, tenant_context
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import (
    NOTHING,
    Loss,
    json_option,
    plural,
    print_items,
    print_json,
    table_options,
    uses_colour,
)

FAULTS_SHOWN = 10
FILES_SHOWN = 10
IMPORTS_SHOWN = 100
NOTHING_MORE: Mapping[str, Any] = {}


@catalog_command("fhir", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--source",
    default="fhir",
    show_default=True,
    callback=lambda _context, _parameter, value: check_source(value),
    help="Name of the system that the records come from.",
)
@click.option("--strict", is_flag=True, help="Stop at the first line that cannot be imported.")
@json_option
def fhir(slug: str, paths: Sequence[Path], *, source: str, strict: bool, as_json: bool) -> None:
    """Import FHIR R4 records into TENANT.

    PATHS are FHIR Bundles, NDJSON files, folders of them (such as a Bulk Data export), or tar
    archives. Each may be compressed with gzip, xz or bzip2. Run the same command again to continue
    an interrupted import.

    \b
    Example:
      flask imports fhir acme ./export --source epic
    """  # noqa: D301 - click reads \b
    source_files = find_source_files(paths)
    import_files(
        slug,
        source_files,
        source=source,
        fingerprint=fingerprint_of(source_files),
        strict=strict,
        as_json=as_json,
        ignored_files=find_ignored_files(paths),
    )


def import_files(
    slug: str,
    source_files: Sequence[SourceFile],
    *,
    source: str,
    fingerprint: str,
    strict: bool,
    as_json: bool,
    ignored_files: Sequence[str] = (),
    reader: ResourceReader = read_resources,
    more: Mapping[str, Any] = NOTHING_MORE,
) -> Item:
    """Import files into a tenant, print the report, and return the import.

    `more` is added to the report in JSON. Raises `OperatorError` if the import does not end.
    """
    with tenant_context(slug), _progress_bar(source_files, is_shown=not as_json) as progress:
        try:
            job = run_import(
                source_files,
                source=source,
                fingerprint=fingerprint,
                limits=ImportLimits.of_upload(current_settings()).of_command(),
                strict=strict,
                started_by="command line",
                progress=progress,
                reader=reader,
            )
            limit_reached = None
        except ImportStoppedError as error:
            job, limit_reached = error.job, error
        faults = _list_faults(job, FAULTS_SHOWN)
    if as_json:
        print_json({**job, "passed_over_files": ignored_files, "errors": faults, **more})
    else:
        _print_report(job, ignored_files, faults)
    if limit_reached is not None:
        raise limit_reached
    if job["state"] == ImportState.FAILED:
        raise ImportSourceError(
            f"The import failed at {job['failure']} Correct this line, or import without --strict"
            " to skip it."
        )
    return job


@catalog_command("list", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@table_options
def list_(slug: str, *, as_json: bool) -> None:
    """List the last 100 imports of TENANT, newest first."""
    with administered_tenant(slug):
        columns = columns_named(ImportJob, SHOWN_COLUMNS)
        items = fetch_items(
            select(*columns)
            .where(of_current_tenant(ImportJob))
            .order_by(ImportJob.id.desc())
            .limit(IMPORTS_SHOWN)
        )
    print_items(
        items,
        ("id", "source", "state", "error_count", "created_at", "ended_at"),
        as_json=as_json,
        optional=("created_at", "error_count", "ended_at"),
    )


def loss_of_import(slug: str, import_id: UUID, **_: Any) -> Loss:
    """Return what is deleted with an import."""
    with administered_tenant(slug):
        job = _find_import(slug, import_id)
    return Loss(
        f"The import {import_id} of {slug} from {job['source']!r} will be deleted, with"
        f" {plural(job['error_count'], 'recorded error')}. The imported records stay.",
        "Delete the import?",
    )


@catalog_command("delete", loses=loss_of_import)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@click.argument("import_id", metavar="IMPORT_ID", type=click.UUID)
@json_option
def delete(slug: str, import_id: UUID, *, as_json: bool) -> None:
    """Delete the import IMPORT_ID of TENANT, with its errors.

    The imported records stay. `flask imports list` shows the ids.

    \b
    Example:
      flask imports delete acme 019bb5ee-3c1d-7d32-a7a8-c3f9b7a1e0aa
    """  # noqa: D301 - click reads \b
    with administered_tenant(slug):
        _find_import(slug, import_id)
        delete_import(import_id)
    if as_json:
        print_json({"id": import_id, "deleted": True})
    else:
        click.echo(f"Deleted the import {import_id}. The records that it imported stay.")


@contextmanager
def _progress_bar(source_files: Sequence[SourceFile], *, is_shown: bool) -> Iterator[Any]:
    is_plain = not uses_colour(is_terminal=True)
    console = Console(stderr=True, color_system=None if is_plain else "auto")
    if not is_shown or not console.is_terminal:
        yield lambda _done: None
        return
    columns = (TextColumn("Importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=sum(file.size for file in source_files))
        yield lambda done: bar.update(task, completed=done)


def _find_import(slug: str, import_id: UUID) -> Item:
    """Return an import of the current tenant, or raise `ImportSourceError`."""
    job = find_item(ImportJob, import_id, ("id", "source", "error_count"))
    if job is None:
        raise ImportSourceError(
            f"The tenant '{slug}' has no import {import_id}. `flask imports list {slug}` shows"
            " its imports."
        )
    return job


def _list_faults(job: Item, limit: int) -> list[Item]:
    columns = columns_named(ImportFault, ("file", "line", "reason", "pointer"))
    return fetch_items(
        select(*columns)
        .where(of_current_tenant(ImportFault), ImportFault.import_id == job["id"])
        .order_by(ImportFault.id)
        .limit(limit)
    )


def check_source(source: str) -> str:
    """Return the name of a source, or raise `click.BadParameter`."""
    longest = length_of(ImportJob.source)
    if not source.strip() or len(source) > longest or not is_plain(source):
        raise click.BadParameter(
            f"Enter a name of 1 to {longest} characters, not only spaces, and without control"
            " characters."
        )
    if source == MANUAL_SOURCE:
        raise click.BadParameter(
            f"'{MANUAL_SOURCE}' is reserved for patients entered by hand. Choose another name."
        )
    return source


def _print_report(job: Item, ignored_files: Sequence[str], faults: Sequence[Item]) -> None:
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
        click.echo(f"Not imported: {plural(job['error_count'], 'line')}.")
        for fault in faults:
            pointer = f" ({fault['pointer']})" if fault["pointer"] else ""
            click.echo(f"  {fault['file']}, line {fault['line']}: {fault['reason']}{pointer}")
        if job["error_count"] > len(faults):
            click.echo(
                f"  … and {plural(job['error_count'] - len(faults), 'line')} more. By reason:"
            )
            for reason, number in sorted(job["error_counts"].items(), key=_largest_first):
                click.echo(f"  {plural(number, 'line')}: {reason}")


def _largest_first(count: tuple[str, int]) -> tuple[int, str]:
    return -count[1], count[0]
