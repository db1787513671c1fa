"""What an examination finds."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

Scene = TypeVar("Scene")


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    PRODUCTION_ERROR = "production_error"
    """An error, but on a developer's machine a warning: patients are nobody's there."""


@dataclass(frozen=True)
class Problem:
    """What one check found amiss."""

    level: Level
    what: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """What one check found in one place."""

    level: Level
    check: str
    where: str
    what: str
    remedy: str | None = None


Check = Callable[[Scene], Iterable[Problem]]


def error(what: str, remedy: str) -> Problem:
    """Return what must be mended."""
    return Problem(Level.ERROR, what, remedy)


def warning(what: str, remedy: str) -> Problem:
    """Return what should be mended."""
    return Problem(Level.WARNING, what, remedy)


def production_error(what: str, remedy: str) -> Problem:
    """Return what must be mended before there are patients."""
    return Problem(Level.PRODUCTION_ERROR, what, remedy)


def find(
    checks: Iterable[Check[Scene]], scene: Scene, where: str, *, is_lenient: bool
) -> Iterator[Finding]:
    """Run checks, which are called as the sentence that they hold to."""
    for check in checks:
        name = check.__name__.replace("_", " ")
        problems = list(check(scene))
        for problem in problems:
            yield Finding(_level(problem, is_lenient), name, where, problem.what, problem.remedy)
        if not problems:
            yield Finding(Level.OK, name, where, "as it should be")


def _level(problem: Problem, is_lenient: bool) -> Level:  # noqa: FBT001
    if problem.level is Level.PRODUCTION_ERROR:
        return Level.WARNING if is_lenient else Level.ERROR
    return problem.level
