"""Ages, sexes and pregnancies."""

import re
from decimal import Decimal

from trially.recruiting.drafting.knowledge.kinds import Kind
from trially.recruiting.drafting.reading.elements import Assumption, Json, Piece
from trially.recruiting.drafting.reading.numbers import (
    Range,
    read_number,
    read_operator,
    read_range,
)

_NAMED = re.compile(
    r"(?:(?:be |minimum |maximum )?(?:age[ds]?|age range|age group|ages)(?: (?:is|are|of|range|"
    r"group|must be|should be|limits?))*)"
    r"(?: ?\((?:years|yrs|in years)\))?(?: of| is| are| must be|:| :| =|,)* ?(?=[\d<>a-z])"
)
_UNIT = re.compile(
    r"-?(?P<unit>years?|yrs?|y/?o|y(?![a-z])|months?|mos(?![a-z])|weeks?|days?)(?![a-z])\.?"
    r"(?P<old>(?: ?-? ?(?:olds?(?![a-z])|of age(?![a-z])|in age(?![a-z])|aged?(?![a-z])|"
    r"\(of age\)))?)"
)
_OLD = re.compile(r"(?:,? ?(?:of age|old|in age|inclusive)(?![a-z]))*")
_THE_AGE = re.compile(r"(?:the )?(?:ages?|age group) (?:of )?")
_BETWEEN_AGES = re.compile(
    r"(?:between|from|within) (?:the )?ages? (?:range )?(?:of |"
    r"from )?(?:between )?"
)
_TO = re.compile(r" ?(?:-|to|and|through|until) ?")
_ADULT = re.compile(r"adults?(?![a-z])")
_FACTORS = {"y": 12, "m": 1}
_UNITS = {"y": "a", "m": "mo", "w": "wk", "d": "d"}

_MALE, _FEMALE = r"(?:males?|men|man)(?![a-z])", r"(?:females?|women|woman)(?![a-z])"
_JOINT = r" ?(?:and|or|/|and/or|&|,) ?(?:non-?pregnant )?"
_BOTH = re.compile(
    rf"{_MALE}{_JOINT}{_FEMALE}|{_FEMALE}{_JOINT}{_MALE}|both (?:sexes|genders)|(?:of )?(?:any|"
    rf"either|all) (?:sex|gender)s?(?![a-z])"
)
_ONE_SEX = re.compile(rf"(?P<male>{_MALE})|(?P<female>{_FEMALE})")
_NO_SEX = re.compile(
    r" (?:of (?:child|reproductive)|with (?:female|male) partner|partner|"
    r"participants? of child)"
)

_NOT_PREGNANT = re.compile(r"non-? ?pregnant(?![a-z])|not (?:currently )?pregnant(?![a-z])")
_PREGNANT = re.compile(
    r"(?:(?:women|females?|woman)(?: (?:subjects|patients|participants))? (?:who are|that are|"
    r"who is) )?"
    r"(?:(?:currently|known|known to be|confirmed|current) )?(?:pregnant|pregnanc(?:y|ies)|"
    r"gravid)(?![a-z])"
    r"(?! ?-?(?:test|related|induced|loss|prevention|status|associated|category))"
)
_TEST = re.compile(
    r"(?:a )?(?P<sign>negative|positive) (?:(?:urine|serum|blood|results?|for|on|a|or|and|"
    r"and/or|beta|b|hcg|human chorionic gonadotropin|\(hcg\)|\(b-hcg\)|quantitative|"
    r"screening)[ -]){0,7}pregnancy tests?(?![a-z])"
)
_NO_PREGNANCY = re.compile(
    r"(?:plan\w{0,5}|intend\w{0,4}|intention|becom\w{1,4}|attempt\w{0,4}|wish\w{0,4}|"
    r"try\w{0,4}|desir\w{0,4}|risk|multiple|twin"
    r"|prior to|during|after|previous|prevent\w{0,4}|avoid\w{0,4}|history of|unintended|"
    r"want\w{0,4}|past|ectopic|since|suspected"
    r"|prior|last|early|recent|late|at least one|conceiv\w{0,4}|weeks?|been)[a-z ,]{0,25}$"
)


def read_age(text: str, at: int) -> Piece | None:
    """Return the age at a position: `aged 18 to 75 years`, `18 years or older`, `>= 18 y/o`."""
    named = _NAMED.match(text, at)
    found = _bare_age(text, named.end() if named else at, is_named=named is not None)
    if found is None:
        return None
    span, unit = found
    criterion = _age(span.bounds, unit)
    if criterion is None:
        return None
    return Piece(at, span.end, Kind.AGE, "age", criterion)


def read_adult(text: str, at: int) -> Piece | None:
    """Return the age that `adult` stands for."""
    match = _ADULT.match(text, at)
    if match is None:
        return None
    criterion = {"age": {"gte": 18}}
    assumed = frozenset({Assumption.ADULT})
    return Piece(at, match.end(), Kind.AGE, "adult", criterion, assumed)


def _bare_age(text: str, at: int, *, is_named: bool) -> tuple[Range, str] | None:
    """Return a range of ages and the letter of its unit. It must say that it is one of ages."""
    between = _between_ages(text, at)
    if between is not None:
        return between, (between.unit or "y")[0]
    is_said = is_named
    operator = read_operator(text, at)
    start = at
    if operator is not None and (match := _THE_AGE.match(text, operator[1])):
        number = read_number(text, match.end())
        if number is None:
            return None
        unit = _unit(text, number[1] + (text[number[1] : number[1] + 1] == " "))
        end = unit[1] if unit else number[1]
        return Range({operator[0]: number[0]}, "y", end), "y"
    span = read_range(text, start, _unit)
    if span is None or span.otherwise is not None:
        return None
    end = _OLD.match(text, span.end).end()  # type: ignore[union-attr]
    words = text[at:end]
    is_said = is_said or bool(
        re.search(r"\bold(?:er|s)?\b|of age|younger|in age|y/?o\b|elder", words)
    )
    if not is_said and not _follows_person(text, at) and not _is_all(text, at, end):
        return None
    if span.unit is None and not is_named and not re.search(r"older|younger|elder", words):
        return None
    letter = (span.unit or "y")[0]
    return Range(span.bounds, span.unit, end), letter


def _between_ages(text: str, at: int) -> Range | None:
    """Return `between the ages of 18 and 65 years`."""
    opening = _BETWEEN_AGES.match(text, at)
    low = read_number(text, opening.end()) if opening else None
    if opening is None or low is None:
        return None
    unit = _unit(text, low[1] + (text[low[1] : low[1] + 1] == " "))
    joint = _TO.match(text, unit[1] if unit else low[1])
    high = read_number(text, joint.end()) if joint else None
    if high is None or high[0] <= low[0]:
        return None
    upper = _unit(text, high[1] + (text[high[1] : high[1] + 1] == " "))
    end = _OLD.match(text, upper[1] if upper else high[1])
    said = (upper or unit or ("y",))[0]
    return Range({"gte": low[0], "lte": high[0]}, said, end.end() if end else high[1])


def _unit(text: str, at: int) -> tuple[str, int] | None:
    match = _UNIT.match(text, at)
    return (match["unit"][0], match.end()) if match else None


def _follows_person(text: str, at: int) -> bool:
    before = text[max(0, at - 40) : at].rstrip(" (:,")
    return (
        re.search(
            r"(?:adults?|males?|females?|men|women|subjects?|patients?|participants?|"
            r"individuals?|children|age|aged)$",
            before,
        )
        is not None
    )


def _is_all(text: str, at: int, end: int) -> bool:
    return not text[:at].strip() and not text[end:].strip(" .;,")


def _age(bounds: dict[str, Decimal], letter: str) -> Json | None:
    """Return the criterion. Bounds with half years become months."""
    unit = _UNITS[letter]
    if any(value != int(value) for value in bounds.values()):
        if letter not in _FACTORS:
            return None
        bounds = {name: value * _FACTORS[letter] for name, value in bounds.items()}
        unit = "mo"
    if any(value != int(value) or value > 60_000 for value in bounds.values()):
        return None
    if unit == "a" and any(value > 120 for value in bounds.values()):
        return None
    numbers: Json = {name: int(value) for name, value in bounds.items()}
    return {"age": numbers if unit == "a" else {**numbers, "unit": unit}}


def read_sex(text: str, at: int) -> Piece | None:
    """Return the sex at a position. Both sexes are a criterion that restricts nothing."""
    both = _BOTH.match(text, at)
    if both is not None:
        criterion = {"sex": {"in": ["female", "male", "other"]}}
        return Piece(at, both.end(), Kind.SEX, "any", criterion)
    match = _ONE_SEX.match(text, at)
    if match is None or match.lastgroup is None or _NO_SEX.match(text, match.end()):
        return None
    sex = match.lastgroup
    return Piece(at, match.end(), Kind.SEX, sex, {"sex": {"in": [sex]}})


def read_pregnancy(text: str, at: int) -> Piece | None:
    """Return the pregnancy at a position. A wish for one, or one in the past, is unread."""
    match = _NOT_PREGNANT.match(text, at)
    if match is not None:
        return _pregnancy(at, match.end(), is_negated=True)
    test = _TEST.match(text, at)
    if test is not None:
        assumed = frozenset({Assumption.PREGNANCY_TEST})
        return _pregnancy(at, test.end(), is_negated=test["sign"] == "negative", assumed=assumed)
    match = _PREGNANT.match(text, at)
    if match is None or _NO_PREGNANCY.search(text[max(0, at - 40) : at]):
        return None
    return _pregnancy(at, match.end(), is_negated=False)


def _pregnancy(
    start: int, end: int, *, is_negated: bool, assumed: frozenset[Assumption] = frozenset()
) -> Piece:
    criterion: Json = {"pregnancy": {}}
    if is_negated:
        criterion = {"not": criterion}
    key = "not_pregnant" if is_negated else "pregnant"
    return Piece(start, end, Kind.PREGNANCY, key, criterion, assumed)
