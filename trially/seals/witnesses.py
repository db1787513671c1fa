"""Seals kept outside the database: a file with one seal in JSON on each line."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from trially.errors import OperatorError
from trially.seals.seal import Seal


class InvalidWitnessError(OperatorError):
    """A witness cannot be read, or one of its seals is damaged."""


def append_seals(path: Path, seals: Iterable[Seal]) -> None:
    """Add seals to a file."""
    with path.open("ab") as file:
        for each in seals:
            file.write(orjson.dumps(each.as_dict()) + b"\n")


def read_seals(path: Path) -> Iterator[Seal]:
    """Yield the seals in a file. Raises `InvalidWitnessError`."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InvalidWitnessError(f"{path} cannot be read: {error.strerror}.") from None
    for number, line in enumerate(lines, 1):
        try:
            sealed = Seal.from_dict(orjson.loads(line))
        except (KeyError, TypeError, ValueError):
            sealed = None
        if sealed is None or not sealed.is_consistent:
            raise InvalidWitnessError(
                f"{path}, line {number}, has no valid seal. Use an undamaged copy of the witness."
            )
        yield sealed
