"""Reads a leaf of a criterion from JSON, for the slow evaluator.

Defaults and durations are read here again, as docs/criteria.md describes them, so that the slow
evaluator does not depend on how the product reads criteria.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

SYSTEMS = {
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "cvx": "http://hl7.org/fhir/sid/cvx",
}
_MISSING = {"observation": "unknown", "enrollment": "not_met"}
"""What the absence of data means by default. It is `covered` for all other records."""


@dataclass(frozen=True)
class Length:
    """A duration: calendar months and days."""

    months: int = 0
    days: int = 0


def read_length(text: str) -> Length:
    """Return a duration such as `-P1Y6M`. The sign says only that it is in the past."""
    numbers = dict.fromkeys("YMWD", 0)
    for number, letter in re.findall(r"(\d+)([YMWD])", text):
        numbers[letter] = int(number)
    return Length(12 * numbers["Y"] + numbers["M"], 7 * numbers["W"] + numbers["D"])


def read_leaf(written: dict[str, Any]) -> SimpleNamespace:
    """Return a leaf with all its members, in the words of docs/criteria.md."""
    [(kind, what)] = written.items()
    if not isinstance(what, dict):
        what = {"sex": {"in": what}, "deceased": {"is": what}}.get(kind, {})
    leaf = SimpleNamespace(kind=kind)
    leaf.missing = what.get("missing", _MISSING.get(kind, "covered"))
    leaf.within = _window(what.get("within"))
    if kind == "pregnancy" and leaf.within is None:
        leaf.within = _window({"from": "-P9M"})
    if kind == "sex":
        leaf.in_ = _listed(what["in"])
    else:
        no_codes: Any = {"valueset": "pregnancy"} if kind == "pregnancy" else {}
        leaf.in_ = _codes(what.get("in", no_codes))
    leaf.is_ = what.get("is")
    leaf.status = what.get("status", "any")
    leaf.min_count = what.get("min_count", 1)
    leaf.min_days = what.get("min_days")
    leaf.class_ = _listed(what.get("class", []))
    leaf.pick = what.get("pick", "latest")
    leaf.value = _value(what["value"]) if "value" in what else None
    leaf.in_other_study = what.get("in_other_study")
    for name in ("gte", "gt", "lte", "lt"):
        setattr(leaf, name, what.get(name))
    leaf.unit = what.get("unit", "km" if kind == "distance" else "a")
    return leaf


def _window(within: dict[str, str] | None) -> SimpleNamespace | None:
    if within is None:
        return None
    from_ = None if "from" not in within else read_length(within["from"])
    return SimpleNamespace(from_=from_, to=read_length(within.get("to", "P0D")))


def _codes(named: dict[str, Any]) -> SimpleNamespace:
    pairs = [each.split("|") for each in _listed(named.get("codes", []))]
    return SimpleNamespace(
        codes=[SimpleNamespace(system=SYSTEMS[name], code=code) for name, code in pairs],
        valueset=_listed(named.get("valueset", [])),
        icd10_prefix=_listed(named.get("icd10_prefix", [])),
    )


def _value(what: dict[str, Any]) -> SimpleNamespace:
    value = SimpleNamespace(unit=what.get("unit"), times=what.get("times"))
    for name in ("gte", "gt", "lte", "lt"):
        setattr(value, name, None if name not in what else Decimal(str(what[name])))
    value.in_ = _codes(what["in"]) if "in" in what else None
    value.text = _listed(what.get("text", []))
    return value


def _listed(one_or_more: Any) -> list[Any]:
    return list(one_or_more) if isinstance(one_or_more, list | tuple) else [one_or_more]
