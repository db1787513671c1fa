"""`flask doctor`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import click

from trially.doctor.examining import CONNECTIONS, doctor_of, run_in_parallel
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
@click.option(
    "--connections",
    type=click.IntRange(1, 32),
    default=CONNECTIONS,
    show_default=True,
    help="Databases to examine at the same time.",
)
@json_option
def doctor(*, connections: int, as_json: bool) -> None:
    """Check every server and database of the fleet.

    Prints each problem with its remedy, and changes nothing. Exits with 1 if there is an error.

    \b
    Example:
      flask doctor --json > findings.json
    """  # noqa: D301
    findings: list[Finding] = []
    with doctor_of(read_fleet()) as examiner:
        examinations = examiner.examinations()
        results = run_in_parallel(examinations, connections)
        with progress_bar(results, "Examining", len(examinations)) as done:
            for found in done:
                findings += found
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
        print_items(problems, ("level", "where", "tenant", "what", "remedy"), as_json=False)
