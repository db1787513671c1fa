"""The test of a value, made once from what a criterion asks for."""

from trially.recruiting.criteria.code_sets import CodeSet, Terminology, look_up
from trially.recruiting.criteria.evaluation.subjects import Subject
from trially.recruiting.criteria.evaluation.values import (
    Answer,
    CodedTest,
    LimitTest,
    NumericTest,
    Range,
    Test,
    TextTest,
    range_of,
)
from trially.recruiting.criteria.language.parts import Value
from trially.recruiting.criteria.language.record_leaves import Pick
from trially.recruiting.criteria.rows import Row
from trially.recruiting.criteria.units.table import analytes_of
from trially.value_sets.codes import LOINC


def compile_test(value: Value, codes: CodeSet | None, terminology: Terminology) -> Test:
    """Return the test of a value."""
    if value.in_ is not None:
        return CodedTest(look_up(value.in_, terminology))
    if value.text:
        return TextTest(value.text)
    return compile_range(value, range_of(value), codes)


def extreme_tests(pick: Pick, value: Value, codes: CodeSet | None) -> tuple[Test, Test]:
    """Return the test that one row must pass, and the test that all must, of `max` or `min`."""
    whole = range_of(value)
    above = whole._replace(high=None, has_high=False)
    below = whole._replace(low=None, has_low=False)
    one, every = (above, below) if pick == Pick.MAX else (below, above)
    return compile_range(value, one, codes), compile_range(value, every, codes)


def compile_range(value: Value, bounds: Range, codes: CodeSet | None) -> Test:
    """Return the test of a range, by what the LOINC codes measure."""
    loinc = [each.code for each in codes.codes if each.system == LOINC] if codes else []
    analytes = analytes_of(loinc)
    analyte = analytes[0] if len(analytes) == 1 else None
    if value.times is not None:
        return LimitTest(bounds, value.times, analyte)
    return NumericTest(bounds, value.unit or "1", analyte)


def anything(row: Row, subject: Subject) -> Answer:  # noqa: ARG001
    """Return True: any value will do."""
    return True
