"""The commands `flask terminologies …`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from trially.tenancy.catalog_commands import catalog_command
from trially.terminal import (
    NOTHING,
    Loss,
    json_option,
    plural,
    print_items,
    print_json,
    table_options,
)
from trially.terminologies.loading import load as load_terminology
from trially.terminologies.store import is_loaded, list_loaded, opened
from trially.terminologies.store import remove as remove_terminology
from trially.terminologies.systems import SYSTEMS
from trially.terminologies.terminology import TerminologyInfo

COLUMNS = ("system", "version", "codes", "loaded_at", "files")

_system = click.argument("name", metavar="SYSTEM", type=click.Choice(list(SYSTEMS)))


@catalog_command("load", loses=NOTHING, needs_routes=False)
@_system
@click.argument(
    "paths",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--version", help="The version, if the files do not name it or name another one.")
@click.option("--dry-run", is_flag=True, help="Only read the files, and replace nothing.")
@json_option
def load(
    name: str, paths: Sequence[Path], *, version: str | None, dry_run: bool, as_json: bool
) -> None:
    """Load a code system from the files of its publisher.

    SYSTEM is sct, icd10cm, rxnorm or loinc. Files may be compressed with gzip, xz or bzip2. The
    former release is replaced when all files are read, for all tenants of this host. Then expand
    the tenants' value sets again: `flask valuesets expand --all`.

    \b
    Examples:
      flask terminologies load icd10cm icd10cm_order_2026.txt
      flask terminologies load sct sct2_Description_Snapshot-en.txt sct2_Relationship_Snapshot.txt
      flask terminologies load rxnorm RXNCONSO.RRF RXNREL.RRF RXNSAT.RRF --version 2026-11-02
    """  # noqa: D301 - click reads \b
    system = SYSTEMS[name]
    size = sum(path.stat().st_size for path in paths)
    with click.progressbar(
        length=size, label=system.title, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        loaded = load_terminology(system, paths, version=version, dry_run=dry_run, watch=bar.update)
    if as_json:
        print_json({"system": name, **loaded._asdict(), "dry_run": dry_run})
        return
    verb = "would be loaded" if dry_run else "is loaded"
    click.echo(
        f"{system.title} {loaded.version} {verb}: {plural(loaded.codes, 'code')},"
        f" {plural(loaded.edges, 'direct relation')}."
    )
    if not dry_run:
        click.echo("Expand the tenants' value sets again: flask valuesets expand --all")


@catalog_command("list", loses=NOTHING, only_reads=True, needs_routes=False)
@table_options
def list_(*, as_json: bool) -> None:
    """List the loaded code systems, with their versions.

    \b
    Example:
      flask terminologies list
    """  # noqa: D301
    print_items([_describe(each) for each in list_loaded()], COLUMNS, as_json=as_json)


def _lost(name: str, **_: Any) -> Loss | None:
    """Return what its removal takes away."""
    system = SYSTEMS[name]
    if not is_loaded(system):
        return None
    with opened(system) as terminology:
        info = terminology.info
    return Loss(
        f"{system.title} {info.version} has {plural(info.codes, 'code')}. Without it, its"
        " codes are not found by name, and value sets that are expanded again lack the codes below"
        " others.",
        f"Remove {system.title} {info.version}?",
    )


@catalog_command("remove", loses=_lost, needs_routes=False)
@_system
def remove(name: str) -> None:
    """Remove a loaded code system.

    Expansions that are stored keep their codes.

    \b
    Example:
      flask terminologies remove loinc
    """  # noqa: D301
    system = SYSTEMS[name]
    remove_terminology(system)
    click.echo(f"{system.title} is removed.")


def _describe(info: TerminologyInfo) -> dict[str, Any]:
    return {
        "system": info.system.name,
        "version": info.version,
        "codes": info.codes,
        "loaded_at": info.loaded_at,
        "files": ", ".join(info.files),
        "identity": info.identity,
    }
