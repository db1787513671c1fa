"""The rules of JSON columns: what a masked clone keeps of each key. All other keys are removed."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from trially.tenancy.cloning.fictions import CITIES, FAMILY_NAMES, Fictions
from trially.value_sets import VALUE_SETS
from trially.value_sets.codes import is_code

Rule = Callable[[Any, Fictions, str], Any]

PHASES = frozenset({"early_phase_1", "phase_1", "phase_2", "phase_3", "phase_4"})


def mask_object(rule: str, text: str, fictions: Fictions, person: str) -> str:
    """Return the masked JSON of a column. Raises `KeyError` for an unknown rule."""
    return orjson.dumps(_RULES[rule](orjson.loads(text), fictions, person)).decode()


def _address(address: Any, fictions: Fictions, person: str) -> Any:
    if not isinstance(address, dict):
        return None
    kept = {
        name: value if isinstance(value, str) and VALUE_SETS[name](value) else None
        for name in ("state", "country")
        for value in (address.get(name),)
    }
    line, city, code = (_text(address.get(each)) for each in ("line", "city", "postal_code"))
    return {
        **kept,
        "line": line and _street(line, fictions, person),
        "city": city and fictions.chosen("city", city, person, CITIES),
        "postal_code": code and fictions.permuted("postal_code", code),
    }


def _street(line: str, fictions: Fictions, person: str) -> str:
    number = 1 + int.from_bytes(fictions.digest("house", person, line)[:8]) % 99
    return f"{number} {fictions.chosen('street', line, person, FAMILY_NAMES)} Street"


def _record_keys(keys: Any, fictions: Fictions, person: str) -> Any:
    """Mask pairs of a base URL and an id."""
    if not isinstance(keys, list):
        return None
    return [
        [
            fictions.identifier("url", _text(pair[0]) or "", person),
            fictions.identifier("record", _text(pair[1]) or "", person),
        ]
        for pair in keys
        if isinstance(pair, list) and len(pair) == 2
    ]


def _codings(codings: Any, _: Fictions, __: str) -> Any:
    """Keep the codes of public code systems."""
    if not isinstance(codings, list):
        return None
    return [
        {"system": each.get("system"), "code": each["code"], "display": None}
        for each in codings
        if isinstance(each, dict) and is_public(each.get("code"), each.get("system"))
    ]


def is_public(code: Any, system: Any) -> bool:
    """Return whether a text has the form of a code of a public code system."""
    return (
        isinstance(code, str)
        and (system is None or isinstance(system, str))
        and is_code(code, system)
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


_RULES: Mapping[str, Rule] = {
    "address": _address,
    "record_keys": _record_keys,
    "codings": _codings,
    "phases": lambda phases, _, __: [each for each in phases if each in PHASES],
    "criterion": lambda _, __, ___: {"manual": {"question": "removed"}},
    "emptied": lambda _, __, ___: {},
    "emptied_list": lambda _, __, ___: [],
}
RULES = frozenset(_RULES)
"""The rules of JSON columns."""
