"""The words that one typing error turns into a word that somebody typed.

They are looked up one by one in the index, so fuzzy search needs no table of its own. A word of
8 letters has about 450 of them.
"""

import re
from string import ascii_lowercase

LEAST_LETTERS = 4
"""In a shorter word, one error makes too many other names."""

MOST_LETTERS = 20
_LATIN_WORD = re.compile("[a-z]+")


def one_error_away(word: str) -> set[str]:
    """Return the words that differ from a folded word by one letter, or by two swapped ones.

    For a word with other than Latin letters, it returns those with a missing letter or two swapped
    ones.
    """
    if not LEAST_LETTERS <= len(word) <= MOST_LETTERS:
        return set()
    splits = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    missing = {start + end[1:] for start, end in splits if end}
    swapped = {start + end[1] + end[0] + end[2:] for start, end in splits if len(end) > 1}
    letters = ascii_lowercase if _LATIN_WORD.fullmatch(word) else ""
    other = {start + letter + end[1:] for start, end in splits if end for letter in letters}
    added = {start + letter + end for start, end in splits for letter in letters}
    return (missing | swapped | other | added) - {word}
