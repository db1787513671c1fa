"""Checks of criteria that need value sets and units: what a study may be saved with."""

from collections.abc import Iterator

from trially.recruiting.criteria.code_sets import (
    CodeSet,
    Terminology,
    UnknownCodesError,
    look_up,
)
from trially.recruiting.criteria.language.codes import NO_CODES
from trially.recruiting.criteria.language.criteria import Criteria
from trially.recruiting.criteria.language.nodes import Node
from trially.recruiting.criteria.language.parts import Value
from trially.recruiting.criteria.language.person_leaves import Leaf
from trially.recruiting.criteria.language.problems import Problem
from trially.recruiting.criteria.language.record_leaves import Observation, Pregnancy, RecordLeaf
from trially.recruiting.criteria.units.analyte import Analyte
from trially.recruiting.criteria.units.table import analytes_of
from trially.value_sets.codes import LOINC
from trially.value_sets.units import is_unit


def check_criteria(criteria: Criteria, terminology: Terminology) -> list[Problem]:
    """Return what is wrong with the codes and units of criteria: unknown value sets and others."""
    problems: list[Problem] = []
    for number, criterion in enumerate(criteria.criteria):
        if criterion.expression is not None:
            place = f"/criteria/{number}/expression"
            problems += check_expression(criterion.expression, terminology, place)
    return problems


def check_expression(tree: Node, terminology: Terminology, pointer: str = "") -> list[Problem]:
    """Return what is wrong with the codes and units of a tree."""
    return [
        Problem(f"{pointer}{place}/{leaf.kind}{inner}", detail)
        for place, leaf in tree.leaves()
        for inner, detail in _check_leaf(leaf, terminology)
    ]


def _check_leaf(leaf: Leaf, terminology: Terminology) -> Iterator[tuple[str, str]]:
    if not isinstance(leaf, RecordLeaf | Pregnancy) or leaf.in_ == NO_CODES:
        return
    try:
        codes = look_up(leaf.in_, terminology)
    except UnknownCodesError as error:
        yield from ((f"/in{place}", detail) for place, detail in error.problems)
        return
    if not (codes.codes or codes.prefixes or codes.ranges):
        yield "/in", "The value set has no codes."
    if not isinstance(leaf, Observation) or leaf.value is None:
        return
    if leaf.value.in_ is not None:
        try:
            look_up(leaf.value.in_, terminology)
        except UnknownCodesError as error:
            yield from ((f"/value/in{place}", detail) for place, detail in error.problems)
    if leaf.value.is_bounded:
        yield from _check_unit(leaf.value, codes)


def _check_unit(value: Value, codes: CodeSet) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the unit of bounds for what the codes measure."""
    analytes = analytes_of(each.code for each in codes.codes if each.system == LOINC)
    if len(analytes) > 1:
        names = " and ".join(sorted(each.name for each in analytes))
        yield "/in", f"The codes measure {names}. Bounds need codes that measure one thing."
        return
    if value.unit is None:
        return
    if analytes and analytes[0].unit(value.unit) is None:
        yield "/value/unit", _wrong_unit(value.unit, analytes[0])
    elif not analytes and value.unit != "1" and not is_unit(value.unit):
        yield "/value/unit", f"'{value.unit}' is no UCUM unit, such as 'mg/dL' or '10*3/uL'."


def _wrong_unit(unit: str, analyte: Analyte) -> str:
    units = ", ".join(f"'{each.name}'" for each in analyte.units)
    return f"'{unit}' is no unit of {analyte.name}. Known are {units}."
