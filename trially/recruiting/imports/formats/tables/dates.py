"""Read dates of tables in declared notations, and in those that have one meaning only."""

import datetime as dt
import re
from functools import lru_cache

from trially.recruiting.column_mappings.notations import EXCEL, TOKEN, TOKENS, DateRules
from trially.recruiting.imports.formats.tables.values import CellError

EARLIEST_YEAR = 1000
_NAMES = (
    ("jan", "january", "januar", "jän", "jaen"),
    ("feb", "february", "februar"),
    ("mar", "march", "mär", "märz", "mrz", "maerz"),
    ("apr", "april"),
    ("may", "mai"),
    ("jun", "june", "juni"),
    ("jul", "july", "juli"),
    ("aug", "august"),
    ("sep", "sept", "september"),
    ("oct", "october", "okt", "oktober"),
    ("nov", "november"),
    ("dec", "december", "dez", "dezember"),
)
_MONTHS = {name: number for number, names in enumerate(_NAMES, 1) for name in names}
_TIME = (
    r"(?:(?:T|\s+|,\s*)(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?\s*(?P<zone>[Zz]|[+-]\d\d:?\d\d)?)?"
)
_CERTAIN = (
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)%s)?)?",
    r"(?P<year>\d{4})/(?P<month>\d\d?)/(?P<day>\d\d?)%s",
    r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)(?:(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?)?",
    r"(?:(?P<day>\d\d?)\.)?(?P<month>\d\d?)\.(?P<year>\d{4})%s",
    r"(?P<day>\d\d?)[-. ]{0,2}(?P<name>[^\W\d_]{3,9})[-. ,]{0,2}(?P<year>\d{4})%s",
    r"(?P<name>[^\W\d_]{3,9})\.? (?P<day>\d\d?), ?(?P<year>\d{4})%s",
)
_CERTAIN_NOTATIONS = [re.compile(text.replace("%s", _TIME)) for text in _CERTAIN]
_UNCERTAIN = re.compile(r"(?P<first>\d\d?)([/-])(?P<other>\d\d?)\2(?P<year>\d{4})" + _TIME)
_TWO_DIGIT_YEAR = re.compile(r"\d\d?([./-])\d\d?\1\d\d(?:\s.*)?")
_ABSENT = re.compile(r"0000-00-00.*|00\.00\.0000|00/00/0000|00000000")


def read_date(text: str, rules: DateRules, *, day_only: bool = False) -> str | None:
    """Return a date in FHIR's notation, or None if it is one of zeros.

    Raises `CellError` for a text that is no date, or may be two dates. The time 00:00 without a
    zone is left out: databases write it for dates.
    """
    if _ABSENT.fullmatch(text):
        return None
    readings = {_to_fhir(match, rules, day_only=day_only) for match in _declared(text, rules)}
    readings.discard(None)
    if not readings:
        readings = _read_undeclared(text, rules, day_only=day_only)
    if len(readings) > 1:
        raise CellError("is a date whose day and month may be exchanged. Declare its notation")
    for reading in readings:
        return reading
    if _TWO_DIGIT_YEAR.fullmatch(text):
        raise CellError("has a year of two digits. Declare its notation and first_year")
    if re.fullmatch(r"\d{4,5}(\.\d+)?", text):
        raise CellError("is a number. Declare the notation 'excel' if it is Excel's number of days")
    raise CellError("is not a date in a known notation")


def _declared(text: str, rules: DateRules) -> list[re.Match[str] | dt.datetime]:
    matches: list[re.Match[str] | dt.datetime] = []
    for notation in rules.notations:
        if notation == EXCEL:
            if re.fullmatch(r"\d{1,6}(\.\d+)?", text):
                matches.append(dt.datetime(1899, 12, 30) + dt.timedelta(days=float(text)))  # noqa: DTZ001
        elif match := _compile(notation).fullmatch(text):
            matches.append(match)
    return matches


@lru_cache(maxsize=64)
def _compile(notation: str) -> re.Pattern[str]:
    pieces, end = [], 0
    for token in TOKEN.finditer(notation):
        pieces += [re.escape(notation[end : token.start()]), TOKENS[token.group()]]
        end = token.end()
    time = "" if "hh" in notation else _TIME
    return re.compile("".join(pieces) + re.escape(notation[end:]) + time)


def _read_undeclared(text: str, rules: DateRules, *, day_only: bool) -> set[str | None]:
    for notation in _CERTAIN_NOTATIONS:
        if match := notation.fullmatch(text):
            reading = _to_fhir(match, rules, day_only=day_only)
            return {reading} - {None}
    match = _UNCERTAIN.fullmatch(text)
    if match is None or rules.notations:  # a declared notation has just failed
        return set()
    first, other = match["first"], match["other"]
    pairs = ((first, other), (other, first))
    return {
        _compose(match, match["year"], month, day, rules, day_only=day_only) for day, month in pairs
    } - {None}


def _to_fhir(match: re.Match[str] | dt.datetime, rules: DateRules, *, day_only: bool) -> str | None:
    if isinstance(match, dt.datetime):
        if day_only or match.time() == dt.time():
            return match.date().isoformat()
        return _with_zone(match.replace(microsecond=0), "", rules)
    parts = match.groupdict()
    year = parts.get("year")
    if year is None and rules.first_year is not None:
        first = rules.first_year
        year = str(first + (int(parts["short_year"]) - first) % 100)
    month = parts.get("month")
    if name := parts.get("name"):
        number = _MONTHS.get(name.casefold())
        if number is None:
            return None
        month = str(number)
    return _compose(match, year, month, parts.get("day"), rules, day_only=day_only)


def _compose(
    match: re.Match[str],
    year: str | None,
    month: str | None,
    day: str | None,
    rules: DateRules,
    *,
    day_only: bool,
) -> str | None:
    """Return a date in FHIR's notation; None if there is no such day. Day and month may be 0."""
    if year is None or int(year) < EARLIEST_YEAR:
        return None
    if month is None or (int(month) == 0 and int(day or 0) == 0):
        return year
    try:
        date = dt.datetime(int(year), int(month), int(day or 0) or 1)  # noqa: DTZ001
    except ValueError:
        return None
    if int(day or 0) == 0:
        return f"{date:%Y-%m}" if date.year >= EARLIEST_YEAR else None
    return _add_time(date, match.groupdict(), rules, day_only=day_only)


def _add_time(
    date: dt.datetime, parts: dict[str, str | None], rules: DateRules, *, day_only: bool
) -> str | None:
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in "pP" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    zone = parts.get("zone") or ""
    is_midnight = not (hour or minute or second or int(parts.get("fraction") or 0))
    if parts.get("hour") is None or day_only or (is_midnight and not zone):
        return date.date().isoformat()
    return _with_zone(date.replace(hour=hour, minute=minute, second=second), zone, rules)


def _with_zone(moment: dt.datetime, zone: str, rules: DateRules) -> str:
    if zone:
        if zone in "zZ":
            return f"{moment.isoformat()}Z"
        return f"{moment.isoformat()}{zone[:3]}:{zone[-2:]}"
    return moment.replace(tzinfo=rules.zone).isoformat() if rules.zone else moment.isoformat()
