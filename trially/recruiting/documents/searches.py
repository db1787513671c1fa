"""What a person types to search documents, as a tsquery and as a test of words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from trially.recruiting.documents.words import Word, find_words

LONGEST_SEARCH = 200
SHORTEST_BEGINNING = 4
"""A shorter word is found as a whole word only: `MS` is not `MSH6`."""

_PART = re.compile(r'(?P<excluded>-)?(?:"(?P<phrase>[^"]*)"?|(?P<word>\S+))')


@dataclass(frozen=True, slots=True)
class Term:
    """One word, or several in this order."""

    words: tuple[str, ...]
    is_beginning: bool
    """The last word of the term may be the beginning of a longer one."""

    def begins(self, words: Sequence[Word]) -> bool:
        """Return whether the words of a text begin with this term."""
        if len(words) < len(self.words):
            return False
        *whole, last = self.words
        if any(word.text != wanted for word, wanted in zip(words, whole, strict=False)):
            return False
        found = words[len(whole)].text
        return found.startswith(last) if self.is_beginning else found == last

    @property
    def tsquery(self) -> str:
        """The term in PostgreSQL's notation for a tsquery."""
        *whole, last = self.words
        parts = [
            *(f"'{word}'" for word in whole),
            f"'{last}'" + (":*" if self.is_beginning else ""),
        ]
        return f"({' <-> '.join(parts)})"


@dataclass(frozen=True, slots=True)
class Search:
    """A search: terms that a document must have, and terms that it must not have."""

    terms: tuple[Term, ...]
    excluded: tuple[Term, ...] = ()

    @property
    def document_query(self) -> str:
        """The tsquery that a document's vector must match. Phrases count as single words."""
        wanted = [_words_query(term) for term in self.terms]
        # A document with all words of an excluded phrase may lack the phrase: its pages decide.
        unwanted = [f"!{_words_query(term)}" for term in self.excluded if len(term.words) == 1]
        return " & ".join([*wanted, *unwanted])

    @property
    def page_query(self) -> str:
        """The tsquery that a page matches which has any of the terms."""
        return " | ".join(term.tsquery for term in self.terms)

    @property
    def phrases(self) -> tuple[str, ...]:
        """The tsqueries of phrases, each of which one page must match."""
        return tuple(term.tsquery for term in self.terms if len(term.words) > 1)

    @property
    def excluded_phrases(self) -> tuple[str, ...]:
        """The tsqueries of phrases that no page may match."""
        return tuple(term.tsquery for term in self.excluded if len(term.words) > 1)


@lru_cache(maxsize=256)
def read_search(text: str) -> Search | None:
    """Return the search that a person typed, or None if it has no word to search for.

    All words must occur in a document, in any order. A word of four or more characters also finds
    longer words that begin with it. `"a phrase"` is found in this order and with whole words;
    `-word` excludes documents; `word*` finds longer words, however short it is.
    """
    terms: list[Term] = []
    excluded: list[Term] = []
    for part in _PART.finditer(text):
        is_phrase = part["phrase"] is not None
        content = part["phrase"] if is_phrase else part["word"]
        words = tuple(word.text for word in find_words(content))
        if not words:
            continue
        is_beginning = not is_phrase and (
            len(words[-1]) >= SHORTEST_BEGINNING or content.endswith("*")
        )
        if part["excluded"]:
            excluded.append(Term(words, is_beginning=not is_phrase and content.endswith("*")))
        else:
            terms.append(Term(words, is_beginning))
    return Search(tuple(terms), tuple(excluded)) if terms else None


def _words_query(term: Term) -> str:
    return "(" + term.tsquery.replace(" <-> ", " & ").removeprefix("(").removesuffix(")") + ")"
