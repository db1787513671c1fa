"""The command `flask imports csv`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from trially.config import current_settings
from trially.recruiting.column_mappings.mapping import build_mapping, read_mapping_file
from trially.recruiting.column_mappings.table_fields import TableKind
from trially.recruiting.imports.command_options import dry_run_option, require_source, source_option
from trially.recruiting.imports.commands import import_files
from trially.recruiting.imports.formats.tables.plans import (
    DELIMITER_NAMES,
    DELIMITERS,
    PlanError,
    TableOptions,
    TablePlan,
    plan_table,
)
from trially.recruiting.imports.formats.tables.reading import TableReader
from trially.recruiting.imports.formats.text_files import Encoding
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.reading.source_files import SourceFile, find_source_files
from trially.recruiting.imports.running import fingerprint_of, fingerprint_with
from trially.recruiting.imports.stored_mappings import (
    find_custom_fields,
    find_mapping,
    find_version_zone,
    store_mapping,
)
from trially.recruiting.imports.trying import try_files
from trially.recruiting.imports.uploads.formats import describe_table
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import NOTHING, json_option, print_items, print_json

_Function = TypeVar("_Function", bound=Callable[..., Any])


def files_argument(function: _Function) -> _Function:
    """Add the argument `FILES`."""
    return click.argument(
        "files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False)
    )(function)


@catalog_command("csv", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@files_argument
@source_option
@click.option(
    "--kind",
    required=True,
    type=click.Choice([kind.value for kind in TableKind]),
    help="What the rows are about.",
)
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSON file with the columns and their notations. It is stored with the source.",
)
@click.option(
    "--encoding",
    type=click.Choice([encoding.value for encoding in Encoding]),
    default=Encoding.AUTO.value,
    show_default=True,
    help="Encoding of the files.",
)
@click.option(
    "--delimiter",
    type=click.Choice([*DELIMITER_NAMES, *DELIMITERS]),
    default="auto",
    show_default="auto",
    metavar="[auto|comma|semicolon|tab|pipe]",
    help="Character between cells.",
)
@click.option("--strict", is_flag=True, help="Stop at the first row that cannot be imported.")
@dry_run_option
@json_option
def csv(
    slug: str,
    files: Sequence[Path],
    *,
    source: str | None,
    kind: str,
    mapping_file: Path | None,
    encoding: str,
    delimiter: str,
    strict: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import CSV files into TENANT.

    FILES are tables with a header, which may be compressed with gzip, xz or bzip2. Columns are
    recognised by their headers, or named in a mapping. Show first how the files would be read.

    \b
    Example:
      flask imports csv acme labs.csv --source lab --kind labs --dry-run
    """  # noqa: D301 - click reads \b
    source = require_source(slug, source)
    source_files = find_source_files(files)
    limits = ImportLimits.of_upload(current_settings()).of_command()
    table_kind = TableKind(kind)
    document = read_mapping_file(mapping_file, table_kind) if mapping_file else None
    with tenant_context(slug):
        stored = find_mapping(source, table_kind) if document is None else document
        mapping, zone = build_mapping(stored, table_kind), find_version_zone(source)
        custom = find_custom_fields(table_kind)
    options = TableOptions(
        table_kind,
        mapping,
        Encoding(encoding),
        DELIMITER_NAMES.get(delimiter, delimiter),
        zone,
        custom,
    )
    plans = {file: plan_table(file, options, limits) for file in source_files}
    reader = TableReader(plans)
    if dry_run:
        _try_tables(slug, source, plans, strict=strict, as_json=as_json)
        return
    for plan in plans.values():
        plan.check()
    if document is not None:
        with tenant_context(slug):
            store_mapping(source, table_kind, document)
    import_files(
        slug,
        source_files,
        source=source,
        fingerprint=fingerprint_with(fingerprint_of(source_files), options),
        strict=strict,
        as_json=as_json,
        reader=reader,
    )


def _try_tables(
    slug: str,
    source: str,
    plans: Mapping[SourceFile, TablePlan],
    *,
    strict: bool,
    as_json: bool,
) -> None:
    """Print how tables would be read, and what an import of the certain ones would do."""
    certain = [file for file, plan in plans.items() if not plan.problems]
    tables = [{"file": plan.file, **(describe_table(plan) or {})} for plan in plans.values()]
    if not as_json:
        for plan in plans.values():
            _print_plan(plan)
    if certain:
        try_files(
            slug,
            certain,
            source=source,
            strict=strict,
            as_json=as_json,
            reader=TableReader(plans),
            more={"tables": tables},
        )
    elif as_json:
        print_json({"dry_run": True, "tables": tables})
    if len(certain) < len(plans):
        raise PlanError("The columns of a file are not certain. Name them with --mapping.")


def _print_plan(plan: TablePlan) -> None:
    delimiter = next(name for name, sign in DELIMITER_NAMES.items() if sign == plan.delimiter)
    click.echo(f"{plan.file}: {plan.codec}, {delimiter}, decimal mark {plan.decimal_mark}.")
    print_items(
        [asdict(column) for column in plan.columns],
        ("number", "header", "field", "reason"),
        as_json=False,
        texts=("header", "reason"),
    )
    for problem in plan.problems:
        click.echo(f"  {problem}")
