"""The unit table: known pairs of values, spellings, and what must stay unknown."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest

from trially.recruiting.criteria.units.analyte import convert, exactly
from trially.recruiting.criteria.units.spelling import normalise
from trially.recruiting.criteria.units.table import ANALYTES, analyte_of
from trially.value_sets.codes import is_loinc

PAIRS = [
    ("4548-4", "53", "mmol/mol", "7.0", "%"),
    ("4548-4", "7", "%", "53", "mmol/mol"),
    ("4548-4", "86", "mmol/mol", "10.0", "%"),
    ("4548-4", "6.5", "%", "48", "mmol/mol"),
    ("2345-7", "126", "mg/dL", "7.0", "mmol/L"),
    ("2345-7", "7.0", "mmol/L", "126", "mg/dL"),
    ("2345-7", "200", "mg/dL", "11.1", "mmol/L"),
    ("2160-0", "1.5", "mg/dL", "133", "umol/L"),
    ("2160-0", "88", "umol/L", "1.00", "mg/dL"),
    ("2093-3", "200", "mg/dL", "5.2", "mmol/L"),
    ("18262-6", "1.8", "mmol/L", "70", "mg/dL"),
    ("2571-8", "150", "mg/dL", "1.7", "mmol/L"),
    ("1975-2", "1.2", "mg/dL", "21", "umol/L"),
    ("17861-6", "10.2", "mg/dL", "2.55", "mmol/L"),
    ("718-7", "12.0", "g/dL", "120", "g/L"),
    ("718-7", "12.0", "g/dL", "7.4", "mmol/L"),
    ("777-3", "150", "10*9/L", "150", "10*3/uL"),
    ("777-3", "150000", "/uL", "150", "10*9/L"),
    ("751-8", "1500", "cells/uL", "1.5", "10*9/L"),
    ("8310-5", "38", "Cel", "100.4", "[degF]"),
    ("8310-5", "98.6", "[degF]", "37.0", "Cel"),
    ("8310-5", "310.15", "K", "37.0", "Cel"),
    ("29463-7", "150", "[lb_av]", "68.0", "kg"),
    ("8302-2", "70", "[in_i]", "177.8", "cm"),
    ("8480-6", "140", "mm[Hg]", "18.7", "kPa"),
    ("1742-6", "1", "ukat/L", "60", "U/L"),
    ("2823-3", "4.1", "meq/L", "4.1", "mmol/L"),
    ("17861-6", "5.0", "meq/L", "10.0", "mg/dL"),
    ("3094-0", "20", "mg/dL", "7.1", "mmol/L"),
    ("3091-6", "43", "mg/dL", "7.2", "mmol/L"),
    ("1751-7", "35", "g/L", "3.5", "g/dL"),
    ("3016-3", "4.5", "u[IU]/mL", "4.5", "m[IU]/L"),
    ("3024-7", "1.2", "ng/dL", "15.4", "pmol/L"),
    ("2857-1", "4", "ug/L", "4", "ng/mL"),
    ("62292-8", "20", "ng/mL", "50", "nmol/L"),
    ("14959-1", "30", "mg/g", "3.4", "mg/mmol"),
    ("14959-1", "3.4", "mg/mmol", "30", "mg/g"),
    ("33914-3", "60", "mL/min", "60", "mL/min/{1.73_m2}"),
    ("2498-4", "100", "ug/dL", "17.9", "umol/L"),
    ("2986-8", "300", "ng/dL", "10.4", "nmol/L"),
    ("6301-6", "2.5", "{INR}", "2.5", "1"),
]


@pytest.mark.parametrize(("loinc", "value", "spelled", "expected", "asked"), PAIRS)
def test_values_are_converted_as_tables_of_laboratories_do(
    loinc: str, value: str, spelled: str, expected: str, asked: str
) -> None:
    analyte = analyte_of(loinc)
    assert analyte is not None
    unit, into = analyte.unit(spelled), analyte.unit(asked)
    assert unit is not None
    assert into is not None
    assert convert(Decimal(value), unit, into) == Decimal(expected)


@pytest.mark.parametrize("analyte", ANALYTES, ids=lambda each: each.name)
def test_conversions_are_exact_and_reversible(analyte) -> None:
    first = analyte.units[0]
    assert (first.factor, first.offset) == (1, 0)
    for unit in analyte.units:
        assert unit.source
        assert unit.name == normalise(unit.name), unit.name
        for other in analyte.units:
            there = exactly(Decimal("12.345"), unit, other)
            back = (there * Fraction(other.factor) + Fraction(other.offset)) - Fraction(unit.offset)
            assert back / Fraction(unit.factor) == Fraction("12.345")


def test_each_loinc_code_measures_one_analyte_and_has_a_good_check_digit() -> None:
    codes = Counter(code for analyte in ANALYTES for code in analyte.loinc)
    assert [code for code, count in codes.items() if count > 1] == []
    assert [code for code in codes if not is_loinc(code)] == []
    assert len({analyte.name for analyte in ANALYTES}) == len(ANALYTES)


@pytest.mark.parametrize(
    ("loinc", "spellings"),
    [
        ("2345-7", ["mg/dL", "mg/dl", "MG/DL", " mg / dL ", "mg/dL{glucose}"]),
        ("33914-3", ["mL/min/{1.73_m2}", "mL/min/1.73m2", "ml/min/1.73 m2", "mL/min/1.73_m2"]),
        ("33914-3", ["mL/min/{1.73_m2}", "mL/min/1.73 m^2", "mL/min/(1.73m²)", "mL/min/1.73.m2"]),
        ("777-3", ["10*3/uL", "10^3/uL", "x10^3/uL", "x10E3/uL", "K/uL", "thou/uL", "K/mm3"]),
        ("777-3", ["10*3/uL", "10*3/µL", "10*3/μL", "10^3/mm^3"]),
        ("777-3", ["10*9/L", "10^9/L", "10E9/L", "x10^9/L", "10*9{cells}/L"]),
        ("789-8", ["10*6/uL", "M/uL", "10^6/uL", "million/uL"]),
        ("8480-6", ["mm[Hg]", "mmHg", "mm Hg"]),
        ("8310-5", ["Cel", "°C", "C", "degC"]),
        ("8310-5", ["[degF]", "°F", "F", "degF"]),
        ("2823-3", ["meq/L", "mEq/L", "MEQ/L", "mEq/l"]),
        ("1742-6", ["[IU]/L", "IU/L", "iu/l", "[iU]/L"]),
        ("3016-3", ["u[IU]/mL", "uIU/mL", "µIU/mL", "u[iU]/mL"]),
        ("3016-3", ["m[IU]/L", "mIU/L", "mU/L"]),
        ("29463-7", ["[lb_av]", "lb", "lbs"]),
        ("39156-5", ["kg/m2", "kg/m^2", "kg/m²"]),
        ("6301-6", ["1", "{INR}", "INR", "", "{ratio}"]),
        ("3255-7", ["g/L", "gm/L", "g/l"]),
    ],
)
def test_spellings_mean_one_unit(loinc: str, spellings: list[str]) -> None:
    analyte = analyte_of(loinc)
    assert analyte is not None
    first, *others = [analyte.unit(spelling) for spelling in spellings]
    assert first is not None
    assert all(other == first for other in others), spellings


@pytest.mark.parametrize(
    ("loinc", "unit"),
    [
        ("2345-7", None),
        ("2345-7", "mmol"),
        ("2345-7", "tablets"),
        ("4548-4", "mg/dL"),
        ("2823-3", "mg/dL"),
        ("8480-6", None),
        ("4544-3", "1"),
    ],
)
def test_other_units_are_unknown(loinc: str, unit: str | None) -> None:
    analyte = analyte_of(loinc)
    assert analyte is not None
    assert analyte.unit(unit) is None


def test_annotations_that_change_the_value_stay() -> None:
    assert normalise("ng/mL{FEU}") != normalise("ng/mL{DDU}")
