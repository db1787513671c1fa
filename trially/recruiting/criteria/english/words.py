"""Words for codes, durations, windows and bounds."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.language.codes import RXNORM, Codes, Coding
from trially.recruiting.criteria.language.durations import Duration
from trially.recruiting.criteria.language.parts import Bounds, Value, Window
from trially.recruiting.criteria.units.table import analytes_of
from trially.value_sets.codes import LOINC

Found = TypeVar("Found")


def joined(texts: Sequence[str], word: str) -> str:
    """Return texts as a sentence lists them: `a, b or c`."""
    *others, last = texts
    return f"{', '.join(others)} {word} {last}" if others else last


def counted(number: int | Decimal, word: str) -> str:
    """Return a number with a noun: `1 day`, `90 days`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def duration_text(duration: Duration) -> str:
    """Return a duration in words: `1 year and 6 months`."""
    years, months = divmod(duration.months, 12)
    numbers = [(years, "year"), (months, "month"), (duration.days, "day")]
    words = [counted(number, word) for number, word in numbers if number]
    return joined(words, "and") if words else "0 days"


def window_text(window: Window | None) -> str:
    """Return a window in words that follow a noun, with a blank before them."""
    if window is None:
        return ""
    to = window.to
    if window.from_ is None:
        return f" at least {duration_text(to)} ago"
    if window.from_ == to:
        return " today" if to == Duration() else f" {duration_text(to)} ago"
    if to == Duration():
        return f" within the last {duration_text(window.from_)}"
    return f" between {duration_text(window.from_)} and {duration_text(to)} ago"


def number_text(number: Decimal) -> str:
    """Return a number without an exponent and without needless zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def bounds_text(bounds: Bounds, unit: str) -> str:
    """Return bounds in words: `between 7 % and 10 %`, `at least 18 years`."""
    suffix = f" {unit}" if unit else ""
    if bounds.gte is not None and bounds.lte is not None:
        low, high = number_text(bounds.gte), number_text(bounds.lte)
        if low == high:
            return f"{low}{suffix}"
        return f"between {low}{suffix} and {high}{suffix}"
    named = [
        ("at least", bounds.gte),
        ("more than", bounds.gt),
        ("at most", bounds.lte),
        ("less than", bounds.lt),
    ]
    words = [f"{word} {number_text(each)}{suffix}" for word, each in named if each is not None]
    return " and ".join(words)


class Wordings:
    """Words that were found for parts of criteria, and the names of codes in them.

    They may be kept as long as the parts, for one tenant. Any number of threads may use them.
    """

    def __init__(self) -> None:
        self.found: dict[tuple[str, int], tuple[object, Any]] = {}
        """By what was asked, and the `id` of the part: the part, and the words."""
        self.names: dict[Coding | str, str] = {}
        """Names of codes and of value sets."""

    def agree_with(self, terminology: Terminology) -> bool:
        """Return whether codes and value sets still have the same names."""
        return all(_name(each, terminology) == name for each, name in list(self.names.items()))


class Names:
    """Names of codes: of the unit table, of value sets, and of the tenant's terminology."""

    def __init__(self, terminology: Terminology, wordings: Wordings | None = None) -> None:
        """Begin with words that were found before, of which `agree_with` is true."""
        self.terminology = terminology
        self._wordings = wordings or Wordings()

    def once(self, asked: str, part: object, find: Callable[[], Found]) -> Found:
        """Return what is found of a part of criteria. Nothing is found a second time."""
        found, key = self._wordings.found, (asked, id(part))
        known = found.get(key)
        # The part is kept, so that no other one gets its id.
        if known is None or known[0] is not part:
            known = found[key] = part, find()
        words: Found = known[1]
        return words

    def codes(self, codes: Codes) -> str:
        """Return what the codes of a leaf are called: `type 2 diabetes or E11.2…`."""
        return self.once("codes", codes, lambda: self._codes(codes))

    def _codes(self, codes: Codes) -> str:
        loinc = [each.code for each in codes.codes if each.system == LOINC]
        analytes = analytes_of(loinc)
        if len(analytes) == 1 and len(loinc) == len(codes.codes):
            names = [analytes[0].name]
        else:
            names = list(dict.fromkeys(self.coding(each) for each in codes.codes))
        names = [*(self._name(name) for name in codes.valueset), *names]
        names += [f"ICD-10 {prefix}…" for prefix in codes.icd10_prefix]
        names += [self.coding(Coding(RXNORM, code)) for code in codes.ingredient]
        if len(names) > _MOST_NAMES:
            names = [*names[:_MOST_NAMES], f"{len(names) - _MOST_NAMES} other codes"]
        return joined(names, "or")

    def coding(self, coding: Coding) -> str:
        """Return the name of a code, or else the code."""
        return self._name(coding)

    def value(self, value: Value) -> str:
        """Return what a value must be, in words that follow `is`."""
        return self.once("value", value, lambda: self._value(value))

    def _value(self, value: Value) -> str:
        if value.in_ is not None:
            return self.codes(value.in_)
        if value.text:
            return joined([f"“{text}”" for text in value.text], "or")
        if value.times is not None:
            return bounds_text(value, f"{TIMES} {value.times}")
        return bounds_text(value, "" if value.unit in (None, "1") else str(value.unit))

    def _name(self, each: Coding | str) -> str:
        name = self._wordings.names.get(each)
        if name is None:
            name = self._wordings.names[each] = _name(each, self.terminology)
        return name


def _name(each: Coding | str, terminology: Terminology) -> str:
    """Return the name of a code or of a value set, or else the code or the set's key."""
    if isinstance(each, Coding):
        return terminology.name_of(each) or str(each)
    found = terminology.value_set(each)
    return found.title if found is not None and found.title else f"“{each}”"


TIMES = "\u00d7"
_MOST_NAMES = 5
"""Names that a sentence lists. Of others it says how many there are."""
