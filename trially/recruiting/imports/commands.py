"""The commands `flask imports …`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from trially.audit.forms import Action
from trially.audit.working import showing_patients, working
from trially.config import current_settings
from trially.database.rows import Item
from trially.recruiting.imports.command_options import dry_run_option, require_source, source_option
from trially.recruiting.imports.dry_run import MISSING_SHOWN
from trially.recruiting.imports.faults.groups import group_faults
from trially.recruiting.imports.import_run import Caller
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.missing_records.commands import find_import, withdraw_if_confirmed
from trially.recruiting.imports.missing_records.finding import first_missing
from trially.recruiting.imports.missing_records.withdrawing import NotListedError, explain_refusal
from trially.recruiting.imports.model import Completeness, ImportState
from trially.recruiting.imports.reading.resources import ResourceReader, read_resources
from trially.recruiting.imports.reading.source_files import (
    ImportSourceError,
    SourceFile,
    find_ignored_files,
    find_source_files,
)
from trially.recruiting.imports.reports import print_missing, print_report
from trially.recruiting.imports.running import ImportStoppedError, fingerprint_of, run_import
from trially.recruiting.imports.trying import NOTHING_MORE, try_files
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant, tenant_context
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import (
    NOTHING,
    Loss,
    importing_bar,
    json_option,
    plural,
    print_json,
)


@catalog_command("fhir", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@source_option
@click.option("--strict", is_flag=True, help="Stop at the first line that cannot be imported.")
@click.option(
    "--complete",
    "is_complete",
    is_flag=True,
    help="This is a full export of the source: offer to withdraw the records that it lacks.",
)
@click.option(
    "--yes",
    "may_withdraw",
    is_flag=True,
    help="With --complete: withdraw the records that the export lacks without asking.",
)
@dry_run_option
@json_option
def fhir(
    slug: str,
    paths: Sequence[Path],
    *,
    source: str | None,
    strict: bool,
    is_complete: bool,
    may_withdraw: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import FHIR R4 records into TENANT.

    PATHS are FHIR Bundles, NDJSON files, folders of them (such as a Bulk Data export), or tar
    archives. Each may be compressed with gzip, xz or bzip2. Run the same command again to continue
    an interrupted import. With --complete, records of the source that the export lacks are listed,
    and withdrawn if you confirm it.

    \b
    Example:
      flask imports fhir acme ./export --source epic
    """  # noqa: D301 - click reads \b
    source = require_source(slug, source)
    source_files, ignored_files = find_source_files(paths), find_ignored_files(paths)
    if dry_run:
        try_files(
            slug,
            source_files,
            source=source,
            strict=strict,
            is_complete=is_complete,
            as_json=as_json,
            ignored_files=ignored_files,
        )
        return
    import_files(
        slug,
        source_files,
        source=source,
        fingerprint=fingerprint_of(source_files),
        strict=strict,
        is_complete=is_complete,
        may_withdraw=may_withdraw,
        as_json=as_json,
        ignored_files=ignored_files,
    )


def import_files(
    slug: str,
    source_files: Sequence[SourceFile],
    *,
    source: str,
    fingerprint: str,
    strict: bool,
    as_json: bool,
    is_complete: bool = False,
    may_withdraw: bool = False,
    ignored_files: Sequence[str] = (),
    reader: ResourceReader = read_resources,
    more: Mapping[str, Any] = NOTHING_MORE,
) -> Item:
    """Import files into a tenant, print the report, and return the import.

    The input may be declared a full export of its source (`is_complete`). `more` is added to the
    report in JSON. Raises `OperatorError` if the import does not end.
    """
    size = sum(file.size for file in source_files)
    with tenant_context(slug), importing_bar(size, is_shown=not as_json) as progress:
        try:
            job = run_import(
                source_files,
                source=source,
                fingerprint=fingerprint,
                limits=ImportLimits.of_upload(current_settings()).of_command(),
                strict=strict,
                started_by="command line",
                is_complete=is_complete,
                caller=Caller(progress=progress),
                reader=reader,
            )
            limit_reached = None
        except ImportStoppedError as error:
            job, limit_reached = error.job, error
        with showing_patients(Action.IMPORT) as shown:
            groups = group_faults(job)
            missing = first_missing(job["id"], list(job["missing"]), MISSING_SHOWN)
            shown.show_unknown()
    if as_json:
        withdraw_if_confirmed(slug, job, is_confirmed=may_withdraw, may_ask=False)
        faults = [fault for group in groups for fault in group["examples"]]
        report = {"passed_over_files": ignored_files, "groups": groups, "errors": faults}
        print_json({**job, **report, "first_missing": missing, **more})
    else:
        print_report(job, ignored_files, groups)
        print_missing(job, missing)
        withdraw_if_confirmed(slug, job, is_confirmed=may_withdraw, may_ask=True)
    if limit_reached is not None:
        raise limit_reached
    if job["state"] == ImportState.FAILED:
        advice = " Correct it, or import without --strict to skip it." if strict else ""
        raise ImportSourceError(f"The import failed: {job['failure']}{advice}")
    if job["completeness"] in (Completeness.INCOMPLETE, Completeness.OVERTAKEN):
        raise NotListedError(explain_refusal(job["completeness"]))
    return job


def loss_of_import(slug: str, import_id: UUID, **_: Any) -> Loss:
    """Return what is deleted with an import."""
    with administered_tenant(slug):
        job = find_import(slug, import_id)
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
    # Imported here: it loads what routes need.
    from trially.recruiting.imports.deleting import delete_import

    with administered_tenant(slug):
        find_import(slug, import_id)
        with working():
            delete_import(import_id)
    if as_json:
        print_json({"id": import_id, "deleted": True})
    else:
        click.echo(f"Deleted the import {import_id}. The records that it imported stay.")
