"""`flask doctor`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import click

from trially.doctor.examining import examinations
from trially.doctor.findings import Finding, Level
from trially.doctor.fleet import read_fleet
from trially.tenancy.command_groups import catalog_command
from trially.terminal import (
    json_option,
    print_items,
    print_json,
    progress_bar,
)


@catalog_command("doctor")
@json_option
def doctor(*, as_json: bool) -> None:
    """Check every server and database of the fleet.

    Prints each problem with its remedy, and changes nothing. Exits with 1 if there is an error.

    \b
    Example:
      flask doctor --json > findings.json
    """  # noqa: D301
    pending = examinations(read_fleet())
    findings: list[Finding] = []
    with progress_bar(pending, "Examining", len(pending)) as started:
        for examination in started:
            findings += examination()
    counts = Counter(finding.level for finding in findings)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print_problems(findings)
        click.echo(
            f"{counts[Level.ERROR]} errors, {counts[Level.WARNING]} warnings;"
            f" {counts[Level.OK]} checks found no problem."
        )
    if counts[Level.ERROR]:
        raise click.exceptions.Exit(1)


def _print_problems(findings: Sequence[Finding]) -> None:
    """Print the errors, then the warnings."""
    problems = [asdict(finding) for finding in findings if finding.level is not Level.OK]
    problems.sort(key=lambda problem: problem["level"] is not Level.ERROR)
    if problems:
        print_items(problems, ("level", "where", "what", "remedy"), as_json=False)
