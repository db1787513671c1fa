"""Other studies, stays in hospital, and distances from a site."""

import re

from trially.recruiting.drafting.knowledge.kinds import Kind
from trially.recruiting.drafting.reading.elements import Json, Piece
from trially.recruiting.drafting.reading.numbers import read_number, read_operator

_KIND = (
    r"(?:(?:clinical|investigational|interventional|research|drug|device|experimental|"
    r"therapeutic|medical|pharmacological"
    r"|treatment|intervention|or|and|/|,) ?-?){0,6}"
)
_STUDY = (
    r"(?:trials?|stud(?:y|ies)|protocols?|researche?s?|clinical research|research(?:ers)?)"
    r"(?: (?:project|program|protocol)s?)?(?![a-z])"
)
_TRIAL = re.compile(r"clinical|investigational|interventional|experimental")
_OTHER_STUDY = re.compile(
    r"(?:(?:(?:active|current|concurrent|simultaneous|ongoing|previous|prior)(?:ly)?|also|"
    r"already|has|have|been|is|are|be|being|had|recent|recently) ){0,5}"
    r"(?P<verb>participat(?:ing|ion|ed|es|e)|enroll?(?:ed|ment|ing)|included|involved|"
    r"involvement|taking part|taken part)"
    r"(?: (?:actively|currently|simultaneously|concurrently))?(?: or (?:participat\w{1,4}|"
    r"enrolled))?"
    rf" (?:in|into) (?P<which>(?:an? |any |one )?(?:other |another |an other |different |"
    rf"additional |concurrent )?|other )(?P<kind>{_KIND}){_STUDY}"
    r"(?:,? (?:of|involving|with|using|evaluating|to evaluate) (?:an? |"
    r"any )?(?:investigational|experimental|study) (?:drug|device|agent|product|treatment|"
    r"medicinal product|therapy)s?"
    r"(?: or (?:drug|device|agent|product|treatment)s?)?)?"
)
_PRODUCT = re.compile(
    r"(?:(?:has|have|had|been|prior|previous|concurrent|current|currently|recent) ){0,3}"
    r"(?:received|receiving|receipt of|receives?|taken|taking|took|use of|using|used|"
    r"exposure to|treatment with|treated with|administration of)"
    r" (?:(?:any|an|a|other|another) ){0,2}(?:investigational|experimental|study)(?: (?:new|"
    r"medicinal))?"
    r" (?:drug|agent|product|medication|device|treatment|therapy|therapies)s?(?: or (?:device|"
    r"drug|product|agent)s?)?(?![a-z])"
)
_STAY = re.compile(
    r"(?:(?:been|was|were|has|have|had|any|recent|prior) ){0,3}"
    r"(?P<stay>hospitali[sz]ed|hospitali[sz]ations?|hospital admissions?|"
    r"inpatient (?:admission|hospitali[sz]ation|stay)s?"
    r"|admitted to (?:the |a )?hospital|admission to (?:the |a )?hospital|emergency (?:room|"
    r"department) visits?)(?![a-z])"
    r"(?! (?:for|due|with|because|in|at|to|of)(?![a-z]))"
)
_HOME = re.compile(r"(?:liv(?:es?|ing)|resid(?:es?|ing|ent)) (?:within |in )?")
_LENGTH = re.compile(
    r" ?(?P<unit>miles?|km|kilomet(?:er|re)s?)(?: (?:of|from) (?:the |a )?(?:study )?(?:site|"
    r"clinic|hospital|center|centre))?(?![a-z])"
)


def read_other_study(text: str, at: int) -> Piece | None:
    """Return the participation in another study at a position."""
    match = _OTHER_STUDY.match(text, at)
    if match is None:
        return _product(text, at)
    is_other = re.search(r"other|different|additional|concurrent|any", match["which"]) is not None
    if not is_other and not _TRIAL.search(match["kind"]):
        return None
    return _enrollment(at, match.end())


def _product(text: str, at: int) -> Piece | None:
    match = _PRODUCT.match(text, at)
    return _enrollment(at, match.end()) if match else None


def _enrollment(start: int, end: int) -> Piece:
    criterion: Json = {"enrollment": {"in_other_study": True}}
    return Piece(start, end, Kind.ENROLLMENT, "other_study", criterion)


def read_stay(text: str, at: int) -> Piece | None:
    """Return the stay in hospital or emergency visit at a position. It needs a window."""
    match = _STAY.match(text, at)
    if match is None:
        return None
    name = "emergency" if match["stay"].startswith("emergency") else "inpatient"
    return Piece(at, match.end(), Kind.ENCOUNTER, name, {"encounter": {"class": [name]}})


def read_distance(text: str, at: int) -> Piece | None:
    """Return `lives within 50 miles of the site`."""
    home = _HOME.match(text, at)
    if home is None:
        return None
    operator = read_operator(text, home.end())
    if operator is not None and operator[0] not in ("lt", "lte"):
        return None
    number = read_number(text, operator[1] if operator else home.end())
    length = _LENGTH.match(text, number[1]) if number else None
    if number is None or length is None:
        return None
    unit = "mi" if length["unit"].startswith("mile") else "km"
    criterion: Json = {"distance": {"lte": float(number[0]), "unit": unit}}
    return Piece(at, length.end(), Kind.DISTANCE, "site", criterion)
