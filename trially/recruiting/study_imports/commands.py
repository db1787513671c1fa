"""The commands `flask studies …`."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from trially.database.session import rolled_back, transaction
from trially.errors import OperatorError
from trially.recruiting.study_imports.files import ReadStudy, read_studies
from trially.recruiting.study_imports.importing import (
    Outcome,
    Result,
    StudyImport,
    show_outcome,
)
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import NOTHING, importing_bar, json_option, plural, print_json

SHOWN = 20
"""Studies that a report for people names. `--json` names all."""


class StudyFileError(OperatorError):
    """A file of studies cannot be read, or no study of it can be imported."""


@catalog_command("import", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@json_option
def import_(slug: str, paths: Sequence[Path], *, dry_run: bool, as_json: bool) -> None:
    """Import studies from ClinicalTrials.gov into TENANT.

    Each FILE is a study as API version 2 sends it, an array, an answer with `studies`, or NDJSON,
    also with gzip. A study is known by its NCT id, so the same file can be imported again. Each
    study is one transaction: the studies before an interruption stay.

    \b
    Example:
      flask studies import acme studies.ndjson --dry-run
    """  # noqa: D301 - click reads \b
    _refuse_missing(paths)
    run = StudyImport(is_dry_run=dry_run)
    outcomes = []
    size = sum(path.stat().st_size for path in paths)
    with tenant_context(slug), importing_bar(size, is_shown=not as_json) as progress:
        for read in _read_all(paths, progress):
            with rolled_back() if dry_run else transaction():
                outcomes.append(run.import_study(read))
    if as_json:
        shown = [show_outcome(outcome) for outcome in outcomes]
        print_json({"is_dry_run": dry_run, "counts": dict(run.counts), "studies": shown})
    else:
        _print(run, outcomes)
    if outcomes and run.counts[Result.REFUSED] == len(outcomes):
        raise StudyFileError("No study can be imported. The reasons are above.")


def _refuse_missing(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.is_file():
            raise StudyFileError(f"There is no file {path}. Name files of studies in JSON.")


def _read_all(paths: Sequence[Path], progress: Callable[[int], None]) -> Iterator[ReadStudy]:
    """Yield the studies of all files; their places begin with the file if there are several."""
    done = 0
    for path in paths:
        with path.open("rb") as file:
            for read in read_studies(file, unpacks=True):
                progress(done + file.tell())
                place = " ".join(filter(None, (str(path), read.place)))
                yield ReadStudy(place if len(paths) > 1 else read.place, read.body, read.problem)
        done += path.stat().st_size


def _print(run: StudyImport, outcomes: Sequence[Outcome]) -> None:
    """Print what was done, what was refused, and for a dry run each difference."""
    verb = "Would import" if run.is_dry_run else "Imported"
    counts = ", ".join(f"{run.counts[each]} {each}" for each in Result)
    click.echo(f"{verb} {plural(len(outcomes), 'study', 'studies')}: {counts}.")
    told = [each for each in outcomes if each.result in (Result.CHANGED, Result.REFUSED)]
    for outcome in told[:SHOWN]:
        name = outcome.nct_id or outcome.place or "the input"
        click.echo(f"{name}: {outcome.reason or outcome.result}")
        for each in outcome.differences:
            click.echo(f"  {each.field}: {each.stored!r} → {each.registry!r} ({each.action})")
        if outcome.eligibility_changed:
            click.echo("  eligibility: another text")
    if len(told) > SHOWN:
        click.echo(f"… and {len(told) - SHOWN} more. --json shows all.")
    warned = sum(bool(outcome.warnings) for outcome in outcomes)
    if warned:
        click.echo(f"{plural(warned, 'study has', 'studies have')} warnings. --json shows them.")
