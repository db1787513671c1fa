"""Run one check of the doctor by its name."""

from collections.abc import Iterable
from typing import Any

from trially.doctor.findings import Check, Finding, Level, run_checks


def problems_of(
    name: str, subject: Any, checks: Iterable[Check[Any]], *, in_development: bool = False
) -> list[Finding]:
    """Return the problems that the check called `name` finds."""
    [check] = [check for check in checks if check.__name__ == name.replace(" ", "_")]
    findings = run_checks([check], subject, "here", in_development=in_development)
    return [finding for finding in findings if finding.level is not Level.OK]
