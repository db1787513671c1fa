"""What is wrong with criteria, and where: JSON pointers (RFC 6901) and sentences."""

from collections.abc import Iterable
from typing import NamedTuple

from trially.errors import OperatorError


class Problem(NamedTuple):
    """One thing that is wrong, and where."""

    pointer: str
    """JSON pointer into the document that was read, empty for the whole document."""
    detail: str


class CriteriaError(OperatorError):
    """Criteria cannot be read. `problems` has all that is wrong with them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(
            " ".join(f"{pointer or '/'}: {detail}" for pointer, detail in self.problems)
        )


def refuse(pointer: str, detail: str) -> CriteriaError:
    """Return the error of one problem."""
    return CriteriaError([Problem(pointer, detail)])


def step(pointer: str, name: str | int) -> str:
    """Return the pointer of a member or an item of the value at a pointer."""
    return f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"
