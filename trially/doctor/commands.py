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
    """Examine every server and database of the fleet, and say how to mend what is amiss.

    Exits with 1 if there is an error. It changes nothing.
    """
    to_do = examinations(read_fleet())
    findings: list[Finding] = []
    with progress_bar(to_do, "Examining", len(to_do)) as examined:
        for examination in examined:
            findings += examination()
    counts = Counter(finding.level for finding in findings)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print_findings(findings)
        click.echo(
            f"{counts[Level.ERROR]} errors, {counts[Level.WARNING]} warnings;"
            f" {counts[Level.OK]} checks found nothing."
        )
    if counts[Level.ERROR]:
        raise click.exceptions.Exit(1)


def _print_findings(findings: Sequence[Finding]) -> None:
    """Print what is amiss, the worst first."""
    amiss = [asdict(finding) for finding in findings if finding.level is not Level.OK]
    amiss.sort(key=lambda finding: finding["level"] is not Level.ERROR)
    if amiss:
        print_items(amiss, ("level", "where", "what", "remedy"), as_json=False)
