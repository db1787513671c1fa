"""`flask doctor`."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from trially.doctor import CONNECTIONS
from trially.doctor.declarations import apply_declarations, read_declarations
from trially.doctor.findings import Finding, Level
from trially.tenancy.catalog_commands import catalog_command
from trially.terminal import (
    NOTHING,
    json_option,
    plural,
    print_items,
    print_json,
    progress_bar,
)

LONGEST_REMEDY = 200
"""Longer remedies are cut in a table: they are definitions of functions or views."""

COLUMNS = ("level", "where", "tenant", "what", "remedy")


@catalog_command("doctor", loses=NOTHING, only_reads=True)
@click.option(
    "--allow",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file of differences that are intended.",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 32),
    default=CONNECTIONS,
    show_default=True,
    help="Databases to examine at the same time.",
)
@json_option
def doctor(*, allow: Path | None, connections: int, as_json: bool) -> None:
    """Compare every server and database with a new installation.

    Prints each difference with its remedy. Exits with 1 if there is an error. Changes nothing,
    except that it creates reference databases and drops them at the end.

    \b
    Example:
      flask doctor --json > findings.json
    """  # noqa: D301
    declarations = read_declarations(allow) if allow else []
    today = dt.datetime.now(dt.UTC).date()
    findings = list(apply_declarations(declarations, _examine(connections), today))
    counts = Counter(finding.level for finding in findings)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print_problems(findings)
        declared = counts[Level.DECLARED]
        click.echo(
            f"{plural(counts[Level.ERROR], 'error')}, {plural(counts[Level.WARNING], 'warning')};"
            + (f" {plural(declared, 'declared difference')};" if declared else "")
            + f" {plural(counts[Level.OK], 'check')} found no problem."
        )
    if counts[Level.ERROR]:
        raise click.exceptions.Exit(1)


def _examine(connections: int) -> list[Finding]:
    # Imported here, because the help needs none of it.
    from trially.doctor.examining import doctor_of, run_in_parallel
    from trially.doctor.fleet import read_fleet

    findings: list[Finding] = []
    with doctor_of(read_fleet()) as examiner:
        examinations = examiner.examinations()
        results = run_in_parallel(examinations, connections)
        with progress_bar(results, "Examining", len(examinations)) as done:
            for found in done:
                findings += found
    return sorted(findings, key=lambda finding: finding.where)


def _print_problems(findings: Sequence[Finding]) -> None:
    """Print the errors, then the warnings."""
    problems = [finding for finding in findings if finding.level in (Level.ERROR, Level.WARNING)]
    problems.sort(key=lambda problem: problem.level is not Level.ERROR)
    if problems:
        items = [{**asdict(each), "remedy": _shorten(each.remedy or "")} for each in problems]
        print_items(items, COLUMNS, as_json=False, texts=("what", "remedy"))


def _shorten(remedy: str) -> str:
    """Return a remedy as one line, without the end of a long definition."""
    line = " ".join(remedy.split())
    if len(line) <= LONGEST_REMEDY:
        return line
    return f"{line[:LONGEST_REMEDY]} … (--json prints all of it)"
