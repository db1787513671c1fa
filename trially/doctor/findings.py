"""Checks, the problems that they report, and the findings of a whole examination."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import psycopg2

from trially.errors import OperatorError

FAILURES_OF_ONE_CHECK = (psycopg2.ProgrammingError, psycopg2.InternalError)
"""Errors after which the other checks of the place can still run."""

FOR_REAL_PATIENTS = "Nothing, for fictitious patients as the demo's. For real ones:"
"""What a remedy begins with in development, if the problem matters only in production."""

Subject = TypeVar("Subject")
"""The subject of a check: the fleet, a server or a database."""


class Level(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    DECLARED = "declared"
    """The operator has declared that it is intended."""

    WARNING = "warning"
    ERROR = "error"
    PRODUCTION_ERROR = "production_error"
    """Error in production, warning in development: demo patients are fictitious."""


@dataclass(frozen=True)
class Problem:
    """One problem that a check reports."""

    level: Level
    what: str
    remedy: str
    tenant: str | None = None
    """The slug of the tenant that has it, if it is one tenant."""


@dataclass(frozen=True)
class Finding:
    """The result of one check at one place: a problem, or that there is none."""

    level: Level
    check: str
    where: str
    """The installation, a server, or a server and a database."""

    what: str
    remedy: str | None = None
    tenant: str | None = None
    reason: str | None = None
    """Why the operator intends it, if it is declared."""


Check = Callable[[Subject], Iterable[Problem]]
"""A check is named as the rule that it enforces, and reports each violation of the rule."""


def error(what: str, remedy: str, tenant: str | None = None) -> Problem:
    """Return a problem that must be fixed."""
    return Problem(Level.ERROR, what, remedy, tenant)


def warning(what: str, remedy: str, tenant: str | None = None) -> Problem:
    """Return a problem that should be fixed."""
    return Problem(Level.WARNING, what, remedy, tenant)


def production_error(what: str, remedy: str) -> Problem:
    """Return a problem that must be fixed before real patients are stored."""
    return Problem(Level.PRODUCTION_ERROR, what, remedy)


def run_checks(
    checks: Iterable[Check[Subject]], subject: Subject, where: str, *, in_development: bool
) -> Iterator[Finding]:
    """Run checks on a subject, and yield a finding for each problem and each check without one."""
    for check in checks:
        name = check.__name__.replace("_", " ")
        try:
            problems = list(dict.fromkeys(check(subject)))
        except FAILURES_OF_ONE_CHECK as failure:
            what = f"the check failed with {describe_failure(failure)}"
            problems = [error(what, "Give the administrator the privileges that it needs.")]
        for problem in problems:
            yield _find(problem, name, where, in_development=in_development)
        if not problems:
            yield Finding(Level.OK, name, where, "no problem")


def describe_failure(failure: Exception) -> str:
    """Return what failed, without the message of a database, which may quote a row."""
    if isinstance(failure, OperatorError):
        return str(failure)
    state = getattr(failure, "pgcode", None)
    return type(failure).__name__ + (f" (SQLSTATE {state})" if state else "")


def _find(problem: Problem, check: str, where: str, *, in_development: bool) -> Finding:
    """Return the finding of a problem. In development, the demo's patients are fictitious."""
    level, remedy = problem.level, problem.remedy
    if level is Level.PRODUCTION_ERROR:
        level = Level.WARNING if in_development else Level.ERROR
        remedy = f"{FOR_REAL_PATIENTS} {remedy}" if in_development else remedy
    return Finding(level, check, where, problem.what, remedy, problem.tenant)
