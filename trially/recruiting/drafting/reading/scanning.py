"""Scanning of a statement: its elements, from the first word to the last.

At each word, the readers are asked in turn; the first that reads takes its words. All patterns are
bounded, so the time is linear in the length of the statement.
"""

import re
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet

from trially.recruiting.drafting.reading.elements import Element, Piece, Role, Window, Word
from trially.recruiting.drafting.reading.events import read_distance, read_other_study, read_stay
from trially.recruiting.drafting.reading.measurements import read_measurement
from trially.recruiting.drafting.reading.people import (
    read_adult,
    read_age,
    read_pregnancy,
    read_sex,
)
from trially.recruiting.drafting.reading.records import (
    read_allergy,
    read_condition,
    read_medication,
)
from trially.recruiting.drafting.reading.windows import read_window
from trially.recruiting.drafting.reading.words import read_word

_EXAMPLES = re.compile(
    r"[(\[] ?(?:e\. ?g\.?|eg\.?|ex\.?|for example|"
    r"such as)(?![a-z])[^()\[\]]{0,300}[)\]]"
)
_PERMITS = re.compile(
    r"(?<![a-z])(?:are|is|be|still|also) (?:eligible|allowed|permitted|"
    r"included|acceptable|not excluded)(?![a-z])"
)
_NOT_THE_PATIENT = re.compile(
    r"(?<![a-z])(?:first[- ]degree relat|family members?|relatives?|famil(?:y|ial) history)"
)
_SHORT_FORM = re.compile(r"[(\[] ?[^\W_][\w/+-]{1,11} ?[)\]]")
_READERS: tuple[Callable[[str, int], Piece | Window | None], ...] = (
    read_age,
    read_measurement,
    read_window,
    read_pregnancy,
    read_sex,
    read_adult,
    read_other_study,
    read_stay,
    read_distance,
)


def scan(text: str, original: str, value_sets: AbstractSet[str]) -> list[Element]:
    """Return the elements of a simplified statement.

    `original` has the capitals, by which short forms in brackets are known. `value_sets` are the
    names of the tenant's value sets.
    """
    return list(_scan(text, original, value_sets))


def _scan(text: str, original: str, value_sets: AbstractSet[str]) -> Iterator[Element]:
    is_never_asked = bool(_PERMITS.search(text) or _NOT_THE_PATIENT.search(text))
    at, is_blocked = 0, is_never_asked
    last: Element | None = None
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        element = _element(text, at, original, value_sets, last, is_blocked=is_blocked)
        if isinstance(element, Word):
            if element.role is Role.BLOCK:
                is_blocked = True
            elif element.role is Role.BREAK:
                is_blocked = is_never_asked
        yield element
        at = max(element.end, at + 1)
        last = element


def _element(
    text: str,
    at: int,
    original: str,
    value_sets: AbstractSet[str],
    last: Element | None,
    *,
    is_blocked: bool,
) -> Element:
    if text[at] in "([":
        skipped = _brackets(text, at, original, last)
        if skipped is not None:
            return skipped
    elif not is_blocked:
        for read in _READERS:
            if found := read(text, at):
                return found
        for look_up in (read_allergy, read_condition, read_medication):
            if record := look_up(text, at, value_sets):
                return record
    return read_word(text, at)


def _brackets(text: str, at: int, original: str, last: Element | None) -> Word | None:
    """Return brackets that add nothing: examples of what was read, and short forms of it."""
    examples = _EXAMPLES.match(text, at)
    if examples is not None:
        role = Role.FILLER if isinstance(last, Piece) else Role.OTHER
        return Word(at, examples.end(), role)
    short = _SHORT_FORM.match(text, at)
    if short is not None and isinstance(last, Piece):
        name = short[0].strip("([ ])")
        is_capital = name.upper() in original and sum(map(str.isalpha, name)) > 1
        return Word(at, short.end(), Role.FILLER) if is_capital else None
    return None
