"""Bounds of measurements: `HbA1c between 7.0 and 10.0 %`, `ALT > 3 x ULN`."""

import re
from decimal import Decimal

from trially.recruiting.drafting.knowledge.analytes import (
    ANALYTE_NAMES,
    ANALYTES,
    PRESSURE_NAMES,
    Analyte,
)
from trially.recruiting.drafting.knowledge.kinds import Kind
from trially.recruiting.drafting.reading.elements import Assumption, Json, Piece
from trially.recruiting.drafting.reading.numbers import (
    Range,
    read_number,
    read_operator,
    read_range,
)
from trially.recruiting.drafting.reading.units import read_unit

_BRACKETS = re.compile(r" ?[(\[][a-z0-9 /+,'-]{1,40}[)\]]")
_BETWEEN = re.compile(
    r"(?: ?(?:(?:levels?|values?|scores?|concentrations?|counts?|results?|readings?|ratings?|"
    r"measurements?|total|index|status"
    r"|percentages?|test|grade|rating|percentile|activity|of|is|are|was|were|be|must be|"
    r"has to be|should be|will be|must|that is|either"
    r"|with|in the range|within the range|a|at|screening|visit|baseline|enrollment|study entry|"
    r"measured|as|the|time|defined|last)(?![a-z])|[:=,-](?!\d)|=))"
    r"{0,8} ?"
)
_FULL_RANGE = re.compile(r"(?:within |in )?the (?:normal|reference) range")
_ALTERNATIVE = re.compile(r" ?[(\[/] ?(?:or |i\.e\.,? ?|approximately |approx\.? |~ ?|=)?")
_ENDS = re.compile(r" ?[)\]]")
_JOINT = re.compile(r",? ?(?:and ?/ ?or|and|or|/|&|,) ?")
_GRADES = re.compile(r"(?:, ?or|,| or|/| and) ?(?=\d(?![\d.]))")
_MOST_NAMES = 5
_SLASH = re.compile(r" ?/ ?")
_AFTER = re.compile(
    r"(?: (?:using|by|with|based on|according to|as calculated by|calculated by|"
    r"per) (?:the )?(?:ckd-?epi|mdrd|cockcroft[- ]gault|"
    r"modification of diet in renal disease(?: study)?)"
    r"(?: ?\(mdrd\))?(?: (?:equation|formula|method))?(?![a-z]))"
)


def read_measurement(text: str, at: int) -> Piece | None:
    """Return the bounds of the measurement at a position, or None without bounds or a unit."""
    return _named(text, at) or _enclosed(text, at) or _pressures(text, at)


def _named(text: str, at: int) -> Piece | None:
    """Return `HbA1c (at screening) between 7 and 10 %`."""
    found = ANALYTE_NAMES.find(text, at)
    if found is None:
        return None
    start = _skip_words(text, found.end)
    span = _above_limit(text, start) or _grades(text, start, found.what)
    span = span or read_range(text, start, read_unit)
    return _several(text, at) if span is None else _piece(text, at, found.what, span)


def _grades(text: str, at: int, analyte: Analyte) -> Range | None:
    """Return `0 or 1`, `0, 1 or 2`: grades of a score that follow one another."""
    if analyte.kind is not Kind.SCORE:
        return None
    found: list[Decimal] = []
    end = at
    while (number := read_number(text, end)) is not None:
        if found and number[0] != found[-1] + 1:
            return None
        found.append(number[0])
        end = number[1]
        joint = _GRADES.match(text, end)
        if joint is None:
            break
        end = joint.end()
    if len(found) < 2:
        return None
    return Range({"gte": found[0], "lte": found[-1]}, None, end)


def _several(text: str, at: int) -> Piece | None:
    """Return `ALT or AST > 3 x ULN`: several measurements with the same bounds."""
    analytes: list[Analyte] = []
    joints: set[str] = set()
    end = at
    while len(analytes) < _MOST_NAMES and (found := ANALYTE_NAMES.find(text, end)):
        analytes.append(found.what)
        end = found.end
        if (brackets := _BRACKETS.match(text, end)) is not None:
            end = brackets.end()
        joint = _JOINT.match(text, end)
        if joint is None:
            break
        joints.add(joint[0].strip(" ,"))
        end = joint.end()
    start = _skip_words(text, end)
    span = _above_limit(text, start) or read_range(text, start, read_unit)
    if span is None or len(analytes) < 2 or span.otherwise is not None:
        return None
    return _together(text, at, analytes, joints, span)


def _together(
    text: str, at: int, analytes: list[Analyte], joints: set[str], span: Range
) -> Piece | None:
    pieces = [_piece(text, at, analyte, span) for analyte in analytes]
    read = [piece for piece in pieces if piece is not None]
    if len(read) < len(analytes):
        return None
    is_upper = not {"gt", "gte"} & set(span.bounds)
    is_and = "or" not in joints and "and/or" not in joints
    assumed = frozenset().union(*(piece.assumptions for piece in read))
    if is_and and not is_upper:
        assumed |= {Assumption.AND_IS_OR}
    group = "all" if is_and and is_upper else "any"
    key = "_".join(piece.key for piece in read)
    criterion: Json = {group: [piece.criterion for piece in read]}
    return Piece(at, read[0].end, read[0].kind, key, criterion, assumed)


def _enclosed(text: str, at: int) -> Piece | None:
    """Return `7 % <= HbA1c <= 9 %`."""
    low = read_number(text, at)
    if low is None:
        return None
    unit = read_unit(text, low[1])
    first = read_operator(text, _skip(text, unit[1] if unit else low[1]))
    found = ANALYTE_NAMES.find(text, first[1]) if first and first[0] in ("lt", "lte") else None
    if first is None or found is None:
        return None
    second = read_operator(text, _skip(text, found.end))
    high = read_number(text, second[1]) if second and second[0] in ("lt", "lte") else None
    if second is None or high is None:
        return None
    after = read_unit(text, _skip(text, high[1]))
    lower = "gte" if first[0] == "lte" else "gt"
    said = (unit or after or (None,))[0]
    span = Range({lower: low[0], second[0]: high[0]}, said, after[1] if after else high[1])
    return _piece(text, at, found.what, span)


def _pressures(text: str, at: int) -> Piece | None:
    """Return `blood pressure above 140/90 mmHg`: for an upper bound, both must hold."""
    found = PRESSURE_NAMES.find(text, at)
    if found is None:
        return None
    operator = read_operator(text, _skip_words(text, found.end))
    systolic = read_number(text, operator[1]) if operator else None
    slash = _SLASH.match(text, systolic[1]) if systolic else None
    diastolic = read_number(text, slash.end()) if slash else None
    if operator is None or systolic is None or diastolic is None:
        return None
    unit = read_unit(text, _skip(text, diastolic[1]))
    end = unit[1] if unit else diastolic[1]
    if unit is not None and unit[0] != "mm[Hg]":
        return None
    leaves = [
        _leaf(analyte, {operator[0]: number}, "mm[Hg]")
        for analyte, number in (
            (ANALYTES["systolic"], systolic[0]),
            (ANALYTES["diastolic"], diastolic[0]),
        )
    ]
    group = "all" if operator[0] in ("lt", "lte") else "any"
    assumed = frozenset() if unit else frozenset({Assumption.UNIT})
    return Piece(at, end, Kind.BLOOD_PRESSURE, "blood_pressure", {group: leaves}, assumed)


def _piece(text: str, at: int, analyte: Analyte, span: Range) -> Piece | None:
    unit, assumed = _unit_of(analyte, span)
    if unit is None:
        return None
    end = _skip_alternative(text, span.end)
    end = after.end() if (after := _AFTER.match(text, end)) else end
    ranges = [span.bounds, *([span.otherwise.bounds] if span.otherwise else [])]
    leaves = [_leaf(analyte, bounds, unit) for bounds in ranges]
    criterion = leaves[0] if len(leaves) == 1 else {"any": leaves}
    return Piece(at, end, analyte.kind, analyte.key, criterion, assumed)


def _unit_of(analyte: Analyte, span: Range) -> tuple[str | None, frozenset[Assumption]]:
    """Return the unit of the bounds, if the measurement can have it."""
    none: frozenset[Assumption] = frozenset()
    if span.unit in ("ULN", "LLN"):
        return (span.unit, none) if analyte.kind is Kind.LABORATORY else (None, none)
    if span.unit is not None:
        return (span.unit, none) if span.unit in analyte.units else (None, none)
    numbers = list(span.bounds.values())
    if analyte.unit is None or not all(analyte.least <= n <= analyte.most for n in numbers):
        return None, none
    is_number = analyte.unit.startswith("{")
    return analyte.unit, none if is_number else frozenset({Assumption.UNIT})


def _leaf(analyte: Analyte, bounds: dict[str, Decimal], unit: str) -> Json:
    """Return the criterion of one range."""
    value: Json = {name: _plain(number) for name, number in bounds.items()}
    value |= {"times": unit} if unit in ("ULN", "LLN") else {"unit": unit}
    codes = [f"loinc|{code}" for code in analyte.codes]
    return {"observation": {"in": {"codes": codes}, "value": value}}


def _plain(number: Decimal) -> int | float:
    return int(number) if number == int(number) else float(number)


def _above_limit(text: str, at: int) -> Range | None:
    """Return `> ULN`, a bound of once the limit."""
    operator = read_operator(text, at)
    unit = read_unit(text, operator[1]) if operator else None
    if operator is None or unit is None or unit[0] not in ("ULN", "LLN"):
        return None
    return Range({operator[0]: Decimal(1)}, unit[0], unit[1])


def _skip_words(text: str, at: int) -> int:
    """Return where words end that stand between a name and its bounds."""
    for _ in range(2):
        match = _BETWEEN.match(text, at)
        at = match.end() if match else at
        brackets = _BRACKETS.match(text, at)
        if brackets is None:
            break
        at = brackets.end()
    match = _BETWEEN.match(text, at)
    at = match.end() if match else at
    return _skip(text, at)


def _skip_alternative(text: str, at: int) -> int:
    """Return where a repetition in another unit ends: `(53 mmol/mol)`."""
    match = _ALTERNATIVE.match(text, at)
    if match is None:
        return at
    start = match.end()
    operator = read_operator(text, start)
    number = read_number(text, operator[1] if operator else start)
    if number is None:
        return at
    joint = re.compile(r" ?(?:-|to) ?").match(text, number[1])
    upper = read_number(text, joint.end()) if joint else None
    unit = read_unit(text, _skip(text, (upper or number)[1]))
    if unit is None:
        return at
    closing = _ENDS.match(text, unit[1])
    is_open = match[0].strip().startswith(("(", "["))
    if is_open and closing is None:
        return at
    return closing.end() if closing and is_open else unit[1]


def _skip(text: str, at: int) -> int:
    return at + 1 if text[at : at + 1] == " " else at
