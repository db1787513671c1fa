"""Short forms of given names: Betty for Elizabeth, from the package `nicknames`."""

from functools import cache

from nicknames import NickNamer

from trially.recruiting.search.normalising import fold


def related_names(word: str) -> set[str]:
    """Return the folded names that a folded name is short for, and the short forms of it."""
    names = _nicknames()
    return {fold(name) for name in names.nicknames_of(word) | names.canonicals_of(word)} - {word}


@cache
def _nicknames() -> NickNamer:
    return NickNamer()
