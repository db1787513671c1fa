"""Try an import of files, and print what it would do."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
import orjson

from trially.audit.forms import Action
from trially.audit.recording import note
from trially.audit.working import showing_patients
from trially.config import current_settings
from trially.recruiting.imports.dry_run import DryRun, try_import
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.model import ImportState
from trially.recruiting.imports.reading.resources import ResourceReader, read_resources
from trially.recruiting.imports.reading.source_files import ImportSourceError, SourceFile
from trially.recruiting.imports.reports import print_missing, print_report
from trially.tenancy.context import tenant_context
from trially.terminal import print_json

NOTHING_MORE: Mapping[str, Any] = {}


def try_files(
    slug: str,
    source_files: Sequence[SourceFile],
    *,
    source: str,
    strict: bool,
    as_json: bool,
    is_complete: bool = False,
    ignored_files: Sequence[str] = (),
    reader: ResourceReader = read_resources,
    more: Mapping[str, Any] = NOTHING_MORE,
) -> None:
    """Print what an import into a tenant would do, and change nothing.

    `more` is added to the report in JSON. Raises `ImportSourceError` if the import would fail.
    """
    with tenant_context(slug), showing_patients(Action.IMPORT) as shown:
        tried = try_import(
            source_files,
            source=source,
            limits=ImportLimits.of_upload(current_settings()).of_command(),
            strict=strict,
            is_complete=is_complete,
            reader=reader,
        )
        note(dry_run=True, source=source)
        shown.show_unknown()
    if as_json:
        print_json({**_to_json(tried), "passed_over_files": ignored_files, **more})
    else:
        for values in tried.first_rows:
            row = dict(values)
            line, resource = row.pop("line"), row.pop("resource")
            click.echo(f"Line {line} becomes {resource} {orjson.dumps(row, default=str).decode()}")
        print_report(tried.outcome, ignored_files, tried.groups)
        print_missing(tried.outcome, tried.missing)
        click.echo("Nothing was imported.")
    if tried.outcome["state"] == ImportState.FAILED:
        raise ImportSourceError(f"The import would fail: {tried.outcome['failure']}")
    if tried.outcome["state"] == ImportState.STOPPED:
        raise ImportSourceError(str(tried.outcome["failure"]))


def _to_json(tried: DryRun) -> dict[str, Any]:
    return {
        **tried.outcome,
        "dry_run": True,
        "groups": tried.groups,
        "errors": tried.faults,
        "first_missing": tried.missing,
        "first_rows": tried.first_rows,
    }
