"""Which codes look as if they belonged to a value set that does not have them."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from enum import StrEnum

from trially.recruiting.valuesets.expansions import Expansion
from trially.terminologies.systems import ICD9CM, ICD10, ICD10CM
from trially.value_sets.codes import FORMS, is_code

CATEGORY = 3
"""Characters of a category of ICD."""

SHARE_OF_NAMES = 0.5
"""A word is typical of a set if so many of its codes' names have it."""

_ICD10 = frozenset({ICD10CM, ICD10})
_ICD = _ICD10 | {ICD9CM}
_WORD = re.compile(r"[a-z]{4,}")
_SHORTEST_STEM, _LONGEST_STEM, _ENDING = 4, 7, 3
_GENERIC_WORDS = (
    "abnormal acute adult associated behavior benign bilateral body cancer carcinoma chronic "
    "classified code complicating complication complications condition current deficiency "
    "diagnosis disease diseases disorder disorders elsewhere encounter essential factor "
    "female finding first following from general history index initial left level lower male "
    "malignant mass measurement mild moderate multiple neoplasm normal other pain part "
    "patient person personal primary procedure recurrent region right secondary second severe "
    "single site situation specified stage state status subsequent syndrome term third type "
    "unspecified upper with without"
)
_GENERIC = frozenset(_GENERIC_WORDS.split())


class Reason(StrEnum):
    """Why a code looks near to a value set."""

    SAME_CODE = "same_code"
    """The set has the code, but of another system."""
    SAME_CATEGORY = "same_category"
    """The set has other codes of the same category of ICD."""
    SIBLING = "sibling"
    """In SNOMED CT it is directly below something that a code of the set is directly below."""
    SIMILAR_NAME = "similar_name"
    """Its name has words that are typical of the set."""


def has_form(system: str, code: str) -> bool:
    """Return whether a code could be one of a system, with its point or without.

    Ranges of short codes also hold codes of other systems: LOINC's 1742-6 begins with ICD-9's 174.
    """
    if system not in FORMS or is_code(code, system):
        return True
    places = (CATEGORY, CATEGORY + 1) if system in _ICD and "." not in code else ()
    return any(is_code(f"{code[:place]}.{code[place:]}", system) for place in places)


def may_hide(other: str | None, systems: Collection[str]) -> bool:
    """Return whether a code of another system may mean the same as that of one of the systems.

    It may if the other system is unknown, or if both are a variant of ICD-10. Public systems have
    equal codes by chance.
    """
    if other is None or other not in FORMS:
        return True
    return other in _ICD10 and not _ICD10.isdisjoint(systems)


def categories_of(expansion: Expansion) -> frozenset[str]:
    """Return the ICD categories of which a set has codes."""
    codes = [code for system, code in expansion.codes if system in _ICD]
    codes += [each.low for each in expansion.ranges if each.system in _ICD]
    return frozenset(code[:CATEGORY] for code in codes if len(code) >= CATEGORY)


def is_in_category(system: str | None, code: str, categories: Collection[str]) -> bool:
    """Return whether a code is of one of these categories."""
    return system in _ICD and code[:CATEGORY] in categories


def typical_stems(name: str, names_of_codes: Collection[str]) -> frozenset[str]:
    """Return the stems of words that are typical of a set: of its name, and of its codes' names."""
    counts = Counter(stem for each in names_of_codes for stem in _stems(each))
    needed = SHARE_OF_NAMES * len(names_of_codes)
    frequent = {stem for stem, count in counts.items() if count >= needed}
    return frozenset(_stems(name) | frequent)


def likeness(name: str, typical: Iterable[str]) -> int:
    """Return how many typical stems a name has."""
    stems = _stems(name)
    return sum(
        any(stem.startswith(each) or each.startswith(stem) for stem in stems) for each in typical
    )


def _stems(name: str) -> set[str]:
    """Return the beginnings of the words of a name that say what it is about."""
    return {
        word[: min(_LONGEST_STEM, max(_SHORTEST_STEM, len(word) - _ENDING))]
        for word in _WORD.findall(name.lower())
        if word not in _GENERIC
    }
