"""Rules for the values of settings, each with the words in which an error states it."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


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


def multiple_of(number: int) -> Rule:
    """Accept multiples of a number, from the number itself on."""
    return Rule(
        f"that is a multiple of {number}", lambda value: value >= number and value % number == 0
    )


def one_of(values: Collection[str]) -> Rule:
    """Accept these values."""
    return Rule(f"one of {', '.join(values)}", lambda value: value in values)


def matching(pattern: str, words: str) -> Rule:
    """Accept text that matches a regular expression."""
    compiled = re.compile(pattern)
    return Rule(words, lambda value: compiled.fullmatch(value) is not None)


def is_store_url(text: str) -> bool:
    """Return whether this is the URL of a Valkey or Redis, over TCP, TLS or a Unix socket."""
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    kind, _, way = parts.scheme.partition("+")
    if way:
        return kind in {"redis", "valkey"} and way == "unix" and parts.path.startswith("/")
    return kind in {"redis", "rediss", "valkey", "valkeys"} and has_host


def each(rule: Rule) -> Rule:
    """Accept a list if the rule accepts each item."""
    return Rule(rule.words, lambda values: all(map(rule.accepts, values)))
