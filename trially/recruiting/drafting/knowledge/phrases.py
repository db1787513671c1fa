"""Look-up of names in text: the longest name at a position, in time linear in its words."""

import re
from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

WORD = re.compile(r"[^\W_]+(?:'(?=[^\W_]))?(?:(?<=')[^\W_]+)?|[^\s]")
_BRITISH = (
    ("haem", "hem"),
    ("aemi", "emi"),
    ("tumour", "tumor"),
    ("oedem", "edem"),
    ("oestr", "estr"),
    ("rrhoea", "rrhea"),
    ("oesoph", "esoph"),
    ("paed", "ped"),
    ("gynaec", "gynec"),
    ("orthopaed", "orthoped"),
    ("caesar", "cesar"),
    ("ischaem", "ischem"),
    ("hospitalis", "hospitaliz"),
)


class Found(NamedTuple, Generic[T]):
    """A name in a text."""

    what: T
    end: int


class Phrases(Generic[T]):
    """Names, each of which stands for something."""

    def __init__(self, names: Iterable[tuple[str, T]]) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], T]]] = {}
        for name, what in names:
            words = tuple(stem(match[0]) for match in WORD.finditer(name) if match[0] != "-")
            self._by_first.setdefault(words[0], []).append((words, what))
        for each in self._by_first.values():
            each.sort(key=lambda entry: -len(entry[0]))

    def find(self, text: str, at: int) -> Found[T] | None:
        """Return the longest name that begins at a position, or None."""
        first = WORD.match(text, at)
        if first is None:
            return None
        for words, what in self._by_first.get(stem(first[0]), ()):
            end = _match(text, first.end(), words[1:])
            if end is not None:
                return Found(what, end)
        return None


def stem(word: str) -> str:
    """Return a word without the plural's s, and in American spelling."""
    for british, american in _BRITISH:
        word = word.replace(british, american)
    word = word.removesuffix("'s")
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    is_plural = word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is"))
    return word[:-1] if is_plural else word


def _match(text: str, at: int, words: tuple[str, ...]) -> int | None:
    """Return where words end that follow a position, with spaces or hyphens between them."""
    for word in words:
        while text[at : at + 1] in (" ", "-") and at < len(text):
            at += 1
        match = WORD.match(text, at)
        if match is None or stem(match[0]) != word:
            return None
        at = match.end()
    return at
