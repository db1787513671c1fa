"""What is wrong with a column mapping, and where."""

from collections.abc import Sequence
from typing import Any

from trially.errors import OperatorError

Path = Sequence[str | int]


class MappingError(OperatorError):
    """A column mapping is wrong. The message has a sentence for each place."""

    def __init__(self, problems: Sequence[tuple[Path, str]]) -> None:
        self.problems = problems
        super().__init__(" ".join(map(_describe, problems)))

    def nested(self) -> dict[str | int, Any]:
        """Return the sentences by the steps to their places, as marshmallow does."""
        messages: dict[str | int, Any] = {}
        for path, sentence in self.problems:
            place = messages
            for step in path:
                place = place.setdefault(step, {})
            place.setdefault("_schema", []).append(sentence)
        return messages


def _describe(problem: tuple[Path, str]) -> str:
    path, sentence = problem
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return f"{pointer}: {sentence}" if pointer else sentence


class Problems:
    """Collects what is wrong with a mapping."""

    def __init__(self) -> None:
        self._found: list[tuple[Path, str]] = []

    def add(self, path: Path, sentence: str) -> None:
        """Add a sentence about a place."""
        self._found.append((path, sentence))

    def check(self) -> None:
        """Raise `MappingError` if anything is wrong."""
        if self._found:
            raise MappingError(self._found)
