"""Rules for the values of settings, each with the words in which an error states it."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """A rule for a value. An error puts `words` after "Set it to" and the words of the type."""

    words: str
    accepts: Callable[[Any], bool]


def at_least(lowest: int) -> Rule:
    """Accept numbers from `lowest` on."""
    return Rule(f"of at least {lowest}", lambda value: value >= lowest)


def between(lowest: float, highest: float) -> Rule:
    """Accept numbers from `lowest` to `highest`."""
    return Rule(f"from {lowest} to {highest}", lambda value: lowest <= value <= highest)


def one_of(values: Collection[str]) -> Rule:
    """Accept these values."""
    return Rule(f"one of {', '.join(values)}", lambda value: value in values)


def matching(pattern: str, words: str) -> Rule:
    """Accept text that matches a regular expression."""
    compiled = re.compile(pattern)
    return Rule(words, lambda value: compiled.fullmatch(value) is not None)


def each(rule: Rule) -> Rule:
    """Accept a list if the rule accepts each item."""
    return Rule(rule.words, lambda values: all(map(rule.accepts, values)))
