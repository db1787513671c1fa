"""Windows of time in statements: `within the last 3 months`, `for at least 6 months`."""

import re

from trially.recruiting.drafting.reading.elements import Window
from trially.recruiting.drafting.reading.numbers import read_number, read_operator

_ANCHOR = re.compile(
    r" ?(?:of|prior to|before|preceding|previous to|prior|from|ago|earlier)?"
    r" ?(?:the |their |this )?(?:time of |date of |start of |day of |initiation of |first day of )?"
    r"(?:the |this |study )?(?:initial |first )?"
    r"(?:screening|enrol?lment|randomi[sz]ation|baseline|inclusion|study entry|entry|"
    r"informed consent|consent"
    r"|visit(?: \d)?|study start|study participation|study|trial entry|trial|first dose|dosing|"
    r"day 1|day -1|treatment start"
    r"|study drug administration|study drug|study treatment|participation|recruitment)"
    r"(?: (?:visit|period|date|appointment|day|assessment|in (?:this|the) (?:study|trial)"
    r"|into (?:this|the) (?:study|trial)|of (?:the )?study (?:drug|medication|treatment|"
    r"product)|consent))?"
    r"(?: ?\d(?!\d))?(?![a-z])"
)
_BEFORE_ONLY = re.compile(r" ?(?:ago|prior|earlier|previously)(?![a-z])")
_RECENT = re.compile(
    r"(?:(?:with)?in|during|over|throughout|for|since)? ?(?:the |their )?(?:last|past|previous|"
    r"preceding|prior|most recent)"
    r" (?!history|diagnosis|use|treatment)"
)
_WITHIN = re.compile(r"(?:within|less than|in|during|<=?|under) ?(?:the |a )?(?:period of )?")
_LASTING = re.compile(r"(?:for|since|of|with)? ?(?:a )?(?:duration|period)?(?: of)? ?")
_UNIT = re.compile(
    r" ?-?(?P<unit>years?|yrs?|months?|mos?|weeks?|wks?|days?|hours?|"
    r"hrs?)(?![a-z])'?"
)
_REPEATED = re.compile(
    r" ?[(\[](?:approximately |about |~ ?)?[\d.]{1,5} ?-? ?(?:years?|"
    r"months?|weeks?|days?)[)\]]"
)
_LETTERS = {"y": "Y", "m": "M", "w": "W", "d": "D"}


def read_window(text: str, at: int) -> Window | None:
    """Return the window at a position, or None. Windows after today, and in hours, are unread."""
    return _recent(text, at) or _within(text, at) or _lasting(text, at)


def _recent(text: str, at: int) -> Window | None:
    """Return `in the last 3 months`, `past year`."""
    match = _RECENT.match(text, at)
    if match is None:
        return None
    is_least = match[0].startswith(("for", "since"))
    found = _duration(text, match.end(), is_one=True)
    return _window(text, at, found, is_least=is_least, needs_anchor=False)


def _within(text: str, at: int) -> Window | None:
    """Return `within 3 months of screening`, `less than 3 months before enrollment`."""
    match = _WITHIN.match(text, at)
    if match is None:
        return None
    found = _duration(text, match.end(), is_one=False)
    is_plain = match[0].startswith("within")
    return _window(text, at, found, is_least=False, needs_anchor=not is_plain)


def _lasting(text: str, at: int) -> Window | None:
    """Return `for at least 6 months`, `>= 3 months before screening`, `for more than 5 years`."""
    match = _LASTING.match(text, at)
    start = match.end() if match else at
    operator = read_operator(text, start)
    if operator is not None and operator[0] in ("lt", "lte"):
        return None
    found = _duration(text, operator[1] if operator else start, is_one=False)
    if found is None:
        return None
    is_for = text.startswith("for ", at) and operator is not None
    if operator is None and not text.startswith("for ", at):
        return _window(text, at, found, is_least=False, needs_anchor=True)
    return _window(text, at, found, is_least=True, needs_anchor=not is_for and operator is None)


def _window(
    text: str,
    at: int,
    found: tuple[str, int] | None,
    *,
    is_least: bool,
    needs_anchor: bool,
) -> Window | None:
    if found is None:
        return None
    duration, end = found
    anchor = _ANCHOR.match(text, end) or _BEFORE_ONLY.match(text, end)
    if anchor is None and needs_anchor:
        return None
    return Window(at, anchor.end() if anchor else end, duration, is_least)


def _duration(text: str, at: int, *, is_one: bool) -> tuple[str, int] | None:
    """Return a duration in ISO 8601's notation, and where it ends."""
    number = read_number(text, at)
    end = number[1] if number else at
    unit = _UNIT.match(text, end)
    if unit is None or (number is None and not is_one):
        return None
    count = number[0] if number else 1
    letter = _LETTERS.get(unit["unit"][0])
    if letter is None or count != int(count) or not 0 < count < 1000:
        return None
    end = unit.end()
    repeated = _REPEATED.match(text, end)
    return f"P{int(count)}{letter}", repeated.end() if repeated else end
