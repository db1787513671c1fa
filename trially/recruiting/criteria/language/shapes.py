"""Shapes of JSON values: how a value is read, written, and described in JSON Schema.

Each field of the language has one shape, so that reading, writing and the published schema cannot
disagree.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

from trially.recruiting.criteria.language.problems import CriteriaError, Problem, refuse, step

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Json = Any

MOST_DIGITS = 15
"""Decimal digits that survive as a JSON number in every client, because a double keeps them."""


class Shape(ABC, Generic[T]):
    """The shape of a JSON value."""

    @abstractmethod
    def parse(self, value: Json, pointer: str) -> T:
        """Return what a JSON value stands for. Raises `CriteriaError`."""

    @abstractmethod
    def dump(self, value: T) -> Json:
        """Return the JSON value, the same one for all that mean the same."""

    @abstractmethod
    def schema(self) -> dict[str, Json]:
        """Return the JSON Schema of the values that `parse` accepts."""


@dataclass(frozen=True)
class Flag(Shape[bool]):
    """True or false."""

    def parse(self, value: Json, pointer: str) -> bool:
        """Return the truth value."""
        if not isinstance(value, bool):
            raise refuse(pointer, f"{show(value)} is not true or false.")
        return value

    def dump(self, value: bool) -> Json:  # noqa: FBT001
        """Return the truth value."""
        return value

    def schema(self) -> dict[str, Json]:
        """Describe a truth value."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Whole(Shape[int]):
    """A whole number."""

    least: int
    most: int

    def parse(self, value: Json, pointer: str) -> int:
        """Return the number."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse(pointer, f"{show(value)} is not a whole number.")
        if not self.least <= value <= self.most:
            raise refuse(pointer, f"{value} is not from {self.least} to {self.most}.")
        return value

    def dump(self, value: int) -> Json:
        """Return the number."""
        return value

    def schema(self) -> dict[str, Json]:
        """Describe a whole number within its limits."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Number(Shape[Decimal]):
    """A decimal number, exactly as it is written."""

    most: int = 10**12

    def parse(self, value: Json, pointer: str) -> Decimal:
        """Return the number. A float stands for the shortest decimal that reads as this float."""
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise refuse(pointer, f"{show(value)} is not a number.")
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if not number.is_finite() or abs(number) > self.most:
            raise refuse(pointer, f"{show(value)} is not from -{self.most} to {self.most}.")
        if len(number.as_tuple().digits) > MOST_DIGITS:
            raise refuse(pointer, f"{show(value)} has more than {MOST_DIGITS} digits.")
        return number.normalize() + 0

    def dump(self, value: Decimal) -> Json:
        """Return the number, as an integer if it is one."""
        return int(value) if value == value.to_integral_value() else float(value)

    def schema(self) -> dict[str, Json]:
        """Describe a number within its limits."""
        return {"type": "number", "minimum": -self.most, "maximum": self.most}


@dataclass(frozen=True)
class Text(Shape[str]):
    """A text that is not blank."""

    most: int
    """Most characters."""

    def parse(self, value: Json, pointer: str) -> str:
        """Return the text."""
        if not isinstance(value, str):
            raise refuse(pointer, f"{show(value)} is not a text.")
        if not value.strip() or "\0" in value:
            raise refuse(pointer, "The text is blank, or contains the character U+0000.")
        if len(value) > self.most:
            raise refuse(pointer, f"The text is longer than {self.most} characters.")
        return value

    def dump(self, value: str) -> Json:
        """Return the text."""
        return value

    def schema(self) -> dict[str, Json]:
        """Describe a text within its limits."""
        return {"type": "string", "minLength": 1, "maxLength": self.most}


@dataclass(frozen=True)
class Choice(Shape[E]):
    """One of a few words."""

    words: type[E]

    def parse(self, value: Json, pointer: str) -> E:
        """Return the member of the enumeration."""
        if isinstance(value, str) and value in self.words.__members__.values():
            return self.words(value)
        raise refuse(pointer, f"{show(value)} is not one of {listed(self.words)}.")

    def dump(self, value: E) -> Json:
        """Return the word."""
        return value.value

    def schema(self) -> dict[str, Json]:
        """List the words."""
        return {"enum": [each.value for each in self.words]}


@dataclass(frozen=True)
class Many(Shape[tuple[T, ...]]):
    """A list."""

    of: Shape[T]
    least: int = 1
    most: int = 200
    or_one: bool = False
    """Whether a single value may stand for a list of one. It is written back as a list."""

    def parse(self, value: Json, pointer: str) -> tuple[T, ...]:
        """Return the items, with all that is wrong with any of them."""
        if not isinstance(value, list):
            if self.or_one:
                return (self.of.parse(value, pointer),)
            raise refuse(pointer, f"{show(value)} is not a list.")
        if not self.least <= len(value) <= self.most:
            raise refuse(
                pointer, f"The list has {len(value)} items, not {self.least} to {self.most}."
            )
        return tuple(
            all_of(
                lambda item=item, index=index: self.of.parse(item, step(pointer, index))
                for index, item in enumerate(value)
            )
        )

    def dump(self, value: tuple[T, ...]) -> Json:
        """Return a list."""
        return [self.of.dump(item) for item in value]

    def schema(self) -> dict[str, Json]:
        """Describe a list, or one of its items."""
        items = self.of.schema()
        listing: dict[str, Json] = {"type": "array", "items": items, "maxItems": self.most}
        if self.least:
            listing["minItems"] = self.least
        return {"anyOf": [items, listing]} if self.or_one else listing


def all_of(parts: "Mapping[Any, Any] | Any") -> list[Any]:
    """Call each function and return the results, or raise one error with all their problems."""
    results: list[Any] = []
    problems: list[Problem] = []
    for part in parts:
        call: Callable[[], Any] = part
        try:
            results.append(call())
        except CriteriaError as error:
            problems += error.problems
    if problems:
        raise CriteriaError(problems)
    return results


def listed(words: "type[StrEnum] | list[str]") -> str:
    """Return words as a sentence lists them: `a, b or c`."""
    *others, last = [f"'{word}'" for word in words]
    return f"{', '.join(others)} or {last}" if others else last


def show(value: Json) -> str:
    """Return a value as an error shows it: short, and without the content of lists and objects."""
    if isinstance(value, dict):
        return "An object"
    if isinstance(value, list):
        return "A list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
