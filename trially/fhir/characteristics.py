"""Say expressions of criteria as characteristics of a Group, as far as FHIR has the words.

A Group knows neither windows relative to a day, nor statuses, nor how often something occurred,
nor alternatives between different traits. An expression that needs one of these is not said at all:
a characteristic that left out a bound would select other patients.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from trially.exports.fhir.elements import Json, present
from trially.fhir.definitions import RESOURCE_TYPES, UCUM, VALUE_SETS
from trially.recruiting.criteria.language.codes import ICD10, ICD10CM, Codes
from trially.recruiting.criteria.language.nodes import AllOf, AnyOf, Node, Not
from trially.recruiting.criteria.language.parts import Bounds, Value
from trially.recruiting.criteria.language.person_leaves import Age, Leaf, Sex
from trially.recruiting.criteria.language.record_leaves import (
    Allergy,
    Condition,
    Immunization,
    Medication,
    Observation,
    Pick,
    Procedure,
    RecordLeaf,
    Status,
)

_LOINC = "http://loinc.org"
_AGE = {
    "coding": [{"system": _LOINC, "code": "30525-0", "display": "Age"}],
    "text": "Age in completed units of the value",
}
_SEX = {
    "coding": [{"system": _LOINC, "code": "46098-0", "display": "Sex"}],
    "text": "Administrative gender",
}
_GENDERS = "http://hl7.org/fhir/administrative-gender"
_TYPES: dict[type[Leaf], str] = {
    Condition: "Condition",
    Medication: "MedicationStatement",
    Procedure: "Procedure",
    Allergy: "AllergyIntolerance",
    Immunization: "Immunization",
}


class UnsayableError(Exception):
    """FHIR has no words for an expression. The message continues: "A Group cannot say …"."""


def say(tree: Node, *, excludes: bool) -> list[Json]:
    """Return the characteristics that say the expression of an inclusion or an exclusion.

    Members of the Group have all of them, or lack those with `exclude`. A value that is a contained
    ValueSet means: one of its codes. The ValueSet is the value of the key `codes`, to be moved.
    Raises `UnsayableError`.
    """
    return list(_say(tree, excludes=excludes))


def _say(node: Node, *, excludes: bool) -> Iterator[Json]:
    what = node.what
    if isinstance(what, Not):
        yield from _say(what.of, excludes=not excludes)
    elif isinstance(what, AnyOf if excludes else AllOf):
        for child in what.of:
            yield from _say(child, excludes=excludes)
    elif isinstance(what, Leaf):
        yield from ({**each, "exclude": excludes} for each in _leaf(what, excludes=excludes))
    else:
        raise UnsayableError(f"'{what.kind}' of several characteristics here")


def _leaf(leaf: Leaf, *, excludes: bool) -> list[Json]:
    sayer = _SAYERS.get(type(leaf))
    if sayer is None:
        raise UnsayableError(f"criteria of the kind '{leaf.kind}'")
    found = sayer(leaf)
    if len(found) > 1 and excludes:
        raise UnsayableError("that two characteristics together exclude")
    return found


def _age(leaf: Age) -> list[Json]:
    low = leaf.gte if leaf.gte is not None else None if leaf.gt is None else leaf.gt + 1
    high = leaf.lte if leaf.lte is not None else None if leaf.lt is None else leaf.lt - 1
    unit = leaf.unit.value
    ages = present({"low": _quantity(low, unit), "high": _quantity(high, unit)})
    return [{"code": _AGE, "valueRange": ages}]


def _sex(leaf: Sex) -> list[Json]:
    if len(leaf.in_) > 1:
        raise UnsayableError("one of several sexes")
    coded = {"system": _GENDERS, "code": leaf.in_[0].value}
    return [{"code": _SEX, "valueCodeableConcept": {"coding": [coded]}}]


def _record(leaf: RecordLeaf) -> list[Json]:
    _refuse_times(leaf)
    if getattr(leaf, "status", Status.ANY) != Status.ANY:
        raise UnsayableError("whether a record is active")
    if isinstance(leaf, Medication) and leaf.min_days is not None:
        raise UnsayableError("for how long something is taken")
    code = {"coding": [{"system": RESOURCE_TYPES, "code": _TYPES[type(leaf)]}]}
    return [{"code": code, **_one_of(leaf.in_)}]


def _observation(leaf: Observation) -> list[Json]:
    _refuse_times(leaf)
    if leaf.pick != Pick.LATEST:
        raise UnsayableError(f"the pick '{leaf.pick}' of several observations")
    if not _is_one_code(leaf.in_):
        raise UnsayableError("one of several codes of observations")
    code = _concept(leaf.in_)
    return [{"code": code, **value} for value in _values(leaf.value)]


def _values(value: Value | None) -> list[Json]:
    if value is None:
        return [{"valueBoolean": True}]
    if value.in_ is not None:
        return [_one_of(value.in_)]
    if value.text or value.times is not None or value.unit is None:
        raise UnsayableError("texts, or multiples of reference limits")
    return _range(value, value.unit)


def _range(bounds: Bounds, unit: str) -> list[Json]:
    """Return a Range, whose ends belong to it, or Quantities with comparators."""
    if bounds.gte is not None and bounds.lte is not None:
        low, high = _quantity(bounds.gte, unit), _quantity(bounds.lte, unit)
        return [{"valueRange": {"low": low, "high": high}}]
    compared = {">=": bounds.gte, ">": bounds.gt, "<=": bounds.lte, "<": bounds.lt}
    return [
        {"valueQuantity": {**quantity, "comparator": comparator}}
        for comparator, number in compared.items()
        if (quantity := _quantity(number, unit)) is not None
    ]


def _quantity(number: Decimal | int | None, unit: str) -> Json | None:
    if number is None:
        return None
    return {"value": number, "unit": unit, "system": UCUM, "code": unit}


def _refuse_times(leaf: RecordLeaf) -> None:
    if leaf.within is not None:
        raise UnsayableError("a window of days before today")
    if leaf.min_count > 1:
        raise UnsayableError("how often something occurred")


def _is_one_code(codes: Codes) -> bool:
    named = (*codes.valueset, *codes.icd10_prefix, *codes.ingredient)
    return len(codes.codes) == 1 and not named and not codes.descendants


def _concept(codes: Codes) -> Json:
    """Return the concept of the one code that there is."""
    [coding] = codes.codes
    return {"coding": [{"system": coding.system, "code": coding.code}]}


def _one_of(codes: Codes) -> Json:
    """Return the value for one code, or for codes of which a record needs one."""
    if _is_one_code(codes):
        return {"valueCodeableConcept": _concept(codes)}
    if codes.ingredient:
        raise UnsayableError("all products with an ingredient")
    return {"codes": list(_includes(codes))}


def _includes(codes: Codes) -> Iterator[Json]:
    """Yield what a ValueSet includes: their union."""
    for name in codes.valueset:
        yield {"valueSet": [f"{VALUE_SETS}/{name}"]}
    for system in dict.fromkeys(coding.system for coding in codes.codes):
        found = [each.code for each in codes.codes if each.system == system]
        yield {"system": system, "concept": [{"code": code} for code in found]}
        for code in found if codes.descendants else ():
            yield {"system": system, "filter": [_filter("concept", "is-a", code)]}
    for prefix in codes.icd10_prefix:
        pattern = prefix.replace(".", r"\.") + ".*"
        for system in (ICD10, ICD10CM):
            yield {"system": system, "filter": [_filter("code", "regex", pattern)]}


def _filter(name: str, operator: str, value: str) -> Json:
    return {"property": name, "op": operator, "value": value}


_SAYERS: dict[type[Leaf], Callable[[Any], list[Json]]] = {
    Age: _age,
    Sex: _sex,
    Observation: _observation,
    **dict.fromkeys(_TYPES, _record),
}
