"""Which lines are headings, and what they say about the statements below."""

import re

from trially.recruiting.drafting.places import Place
from trially.recruiting.drafting.simple_text import simplify
from trially.recruiting.drafting.splitting.statements import Heading, Section

LONGEST = 300
"""Characters of a line that may be a heading."""

_CRITERIA = r"(?:inclusion|exclusion|eligibility|selection)(?: ?(?:and|or|/) ?exclusion)?"
_TOPIC = re.compile(
    rf"(?:(?:[ivx]{{1,4}}|\d{{1,2}})[.)](?:\d{{1,2}}[.)]?)* ?)?(?:[#*_]{{1,6}} ?)?"
    rf"(?P<before>(?:[\w/'-]{{1,20}} ){{0,4}}){_CRITERIA}"
    rf"(?: ?-? ?(?:criteri(?:a|on|um|as)|requirements?))?"
    rf"(?P<after>[^.:;]{{0,80}})(?P<colon> ?[:;.]?)[#*_ ]{{0,6}}"
)
_NUMBERING = re.compile(r"^[ivx]{1,4}[.)][\d.]*")
_COHORT = re.compile(
    r"(?:group|cohort|part|arm|stratum|population|sub-?study|module) (?:\d{1,2}|[a-z]|"
    r"[ivx]{1,4})(?![a-z\d])"
)
_INLINE = re.compile(
    r"(?:(?:key|main|major) )?(?:inclusion|exclusion) criteria(?: ?\([^)]{0,40}\))? ?:",
    re.IGNORECASE,
)
_EXCLUDES = re.compile(r"exclu|not (?:be )?eligible|ineligible|must not|not be enrolled|preclude")
_INCLUDES = re.compile(r"inclu|eligib|must|enrolled|enroled|participat")
_NEUTRAL_WORDS = """
    a all also an and any applies apply are as at be been being below but by can conditions
    considered criteria criterion criterium documentation each eligibility eligible endorse
    enroll enrolled enrollment exclude excluded exclusion exclusions following for from fulfil
    fulfill general have if in include included inclusion inclusions individual individuals is
    key main major meet meets met must no none not of one only or order participant
    participants participate participation patient patients people potential primary
    prospective require required requirement requirements satisfy screening selection specific
    studies study subject subjects that the their there these they this those to trial trials
    volunteer volunteers were who whom will with within
"""
_NEUTRAL = frozenset(_NEUTRAL_WORDS.split())
"""Words of headings that restrict nothing."""


def read_heading(text: str, line: Place, *, has_marker: bool, section: Section) -> Heading | None:
    """Return the heading that a whole line is, or None.

    `has_marker` tells whether a bullet or number stands before it, `section` is the one so far.
    """
    if line.end - line.start > LONGEST:
        return None
    simple = simplify(text, line).text
    if _names_criteria(simple, has_marker=has_marker):
        return Heading(line, _section(simple, Section.INCLUSION), _group(simple))
    if not has_marker and simple.endswith(":"):
        return Heading(line, _section(simple, section), _group(simple))
    if not has_marker and _COHORT.match(simple):
        return Heading(line, section, simple.strip(" :*#"))
    if simple.strip("-*_ .") in ("or", "and/or"):
        return Heading(line, section, "or")
    return None


def find_inline(text: str, line: Place) -> list[Place]:
    """Return the places of headings inside of a line: `Inclusion Criteria: - Age Exclusion …`."""
    found = []
    for match in _INLINE.finditer(text, line.start, line.end):
        start, end = match.span()
        before = text[max(line.start, start - 40) : start].rstrip(" \t*#_-")
        is_first = not before and start - line.start < 40
        follows_end = before[-1:] in (".", ";", ")") or text[start : start + 1].isupper()
        if is_first or follows_end:
            found.append(Place(start, end))
    return found


def inline_heading(text: str, place: Place) -> Heading:
    """Return the heading at a place that `find_inline` found."""
    simple = simplify(text, place).text
    return Heading(place, _section(simple, Section.INCLUSION), _group(simple))


def is_topic(text: str, line: Place, *, has_marker: bool) -> bool:
    """Return whether a whole line names the criteria below it: `5.1 Inclusion Criteria`."""
    if line.end - line.start > LONGEST:
        return False
    return _names_criteria(simplify(text, line).text, has_marker=has_marker)


def _names_criteria(simple: str, *, has_marker: bool) -> bool:
    match = _TOPIC.fullmatch(simple)
    if match is None:
        return False
    has_colon = match["colon"].strip() == ":"
    if has_marker and not has_colon:
        return match["before"] == "" and not match["after"].strip(" *#_")
    if match["colon"].strip() in (".", ";"):
        return False
    after = match["after"].strip(" *#_")
    is_label = after.startswith(("(", "-", "for ", "of ")) or not after
    return is_label or has_colon


def _section(simple: str, otherwise: Section) -> Section:
    if _EXCLUDES.search(simple) and not simple.startswith(("inclusion", "key inclusion")):
        return Section.EXCLUSION
    if _INCLUDES.search(simple):
        return Section.INCLUSION
    return otherwise


def _group(simple: str) -> str | None:
    """Return the heading if it has words that restrict, else None."""
    words = re.findall(r"[^\W\d_]+", _NUMBERING.sub("", simple))
    restricting = [word for word in words if word not in _NEUTRAL and len(word) > 1]
    return simple.strip(" :*#") if restricting else None
