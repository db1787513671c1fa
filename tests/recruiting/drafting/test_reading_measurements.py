"""Bounds of measurements and ages, in the spellings of real texts."""

from typing import Any

import pytest
from statements import exclude, read

from trially.recruiting.drafting.knowledge.kinds import Kind
from trially.recruiting.drafting.reading.elements import Assumption
from trially.recruiting.drafting.reading.readings import Confidence, Extent

HBA1C = {"codes": ["loinc|4548-4", "loinc|17856-6", "loinc|59261-8"]}


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("Age 18 or older", {"gte": 18}),
        ("Age \u2265 18 years", {"gte": 18}),
        ("Age >= 18", {"gte": 18}),
        ("Age &ge; 18 years", {"gte": 18}),
        ("Age \\>= 18 years", {"gte": 18}),
        ("Patient \u226518yrs", {"gte": 18}),
        ("18+ years of age", {"gte": 18}),
        ("18 years of age or older", {"gte": 18}),
        ("At least eighteen (18) years of age", {"gte": 18}),
        ("Equal to or older than 22 years of age.", {"gte": 22}),
        ("Age over 18", {"gt": 18}),
        ("Age must be greater than 18 years", {"gt": 18}),
        ("Over the age of 18 years", {"gt": 18}),
        ("\\>18 years", {"gt": 18}),
        ("Individuals under 18 years of age.", {"lt": 18}),
        ("No older than 75 years of age", {"lte": 75}),
        ("Aged up to 75 years", {"lte": 75}),
        ("Between 18 and 65 years of age, inclusive", {"gte": 18, "lte": 65}),
        ("Between the ages of 18 and 65 years", {"gte": 18, "lte": 65}),
        ("Patients aged 18-75 years", {"gte": 18, "lte": 75}),
        ("Age 18 \u2013 75", {"gte": 18, "lte": 75}),
        ("Be aged \u2265 18 to \u2264 70 years", {"gte": 18, "lte": 70}),
        ("Patients aged > 18 years and < 70 years", {"gt": 18, "lt": 70}),
        ("Be 13-17.5 years of age", {"gte": 156, "lte": 210, "unit": "mo"}),
        ("At least 48 months of age", {"gte": 48, "unit": "mo"}),
        ("Male or female aged 18 to 75 years at the time of consent", {"gte": 18, "lte": 75}),
    ],
)  # fmt: skip
def test_ages_are_read_in_all_spellings(text: str, age: dict[str, Any]) -> None:
    reading = read(text)

    assert reading.extent is Extent.WHOLE
    assert reading.criterion == {"age": age}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("HbA1c between 7.0 and 10.0 %", {"gte": 7, "lte": 10, "unit": "%"}),
        ("HbA1c 7-10%", {"gte": 7, "lte": 10, "unit": "%"}),
        ("HbA1c 7.0% to 10.9%", {"gte": 7, "lte": 10.9, "unit": "%"}),
        ("HbA1c of \\<=9% at screening", {"lte": 9, "unit": "%"}),
        ("haemoglobin A1c (HbA1c) level of \u22656.3% (45 mmol/mol)", {"gte": 6.3, "unit": "%"}),
        ("HbA1c \u226486 mmol/mol", {"lte": 86, "unit": "mmol/mol"}),
        ("7%\u2264HbA1c\u22649.0%", {"gte": 7, "lte": 9, "unit": "%"}),
        ("HgbA1c less than or equal to 8.5 percent", {"lte": 8.5, "unit": "%"}),
        ("Glycated haemoglobin not exceeding 9,5 %", {"lte": 9.5, "unit": "%"}),
    ],
)
def test_hba1c_is_read_in_all_spellings(text: str, value: dict[str, Any]) -> None:
    reading = read(text)

    assert reading.extent is Extent.WHOLE
    assert reading.criterion == {"observation": {"in": HBA1C, "value": value}}
    assert reading.parts[0].kind is Kind.HBA1C


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("BMI \u2265 25 and &lt; 40 kg/m\u00b2", "bmi", {"gte": 25, "lt": 40, "unit": "kg/m2"}),
        ("Body mass index (BMI) of 18 to 30 kg/m2", "bmi", {"gte": 18, "lte": 30, "unit": "kg/m2"}),
        ("BMI\\>25kg/m2", "bmi", {"gt": 25, "unit": "kg/m2"}),
        ("eGFR \\<45 mL/min/1\u202273 m2", "egfr", {"lt": 45, "unit": "mL/min/{1.73_m2}"}),
        ("eGFR of 60 ml/min/1.73m2 or greater", "egfr", {"gte": 60, "unit": "mL/min/{1.73_m2}"}),
        ("Creatinine clearance< 30 ml/min", "creatinine_clearance", {"lt": 30, "unit": "mL/min"}),
        ("Platelets \u2265 100 x 10^9/L", "platelets", {"gte": 100, "unit": "10*9/L"}),
        ("Platelet count >= 100,000/mm3", "platelets", {"gte": 100_000, "unit": "/uL"}),
        ("ANC \u2265 1.5 \u00d7 10\u2079/L", "neutrophils", {"gte": 1.5, "unit": "10*9/L"}),
        ("ALT > 3 x ULN", "alt", {"gt": 3, "times": "ULN"}),
        ("ALT <= 2.5 times the upper limit of normal (ULN)", "alt", {"lte": 2.5, "times": "ULN"}),
        ("Bilirubin > institutional upper limit of normal", "bilirubin", {"gt": 1, "times": "ULN"}),
        ("Systolic BP 90-140 mm Hg", "systolic", {"gte": 90, "lte": 140, "unit": "mm[Hg]"}),
        ("PHQ-9 of 20 or above", "phq9", {"gte": 20, "unit": "{score}"}),
        ("ECOG performance status of 0, 1 or 2", "ecog", {"gte": 0, "lte": 2, "unit": "{score}"}),
        ("Hb < 10 g/dl.", "hemoglobin", {"lt": 10, "unit": "g/dL"}),
    ],
)  # fmt: skip
def test_bounds_are_read_with_their_units(text: str, key: str, value: dict[str, Any]) -> None:
    reading = read(text)

    assert reading.extent is Extent.WHOLE
    assert reading.criterion is not None
    assert reading.criterion["observation"]["value"] == value
    assert reading.parts[0].key == key
    assert reading.confidence is Confidence.HIGH


def test_both_pressures_are_excluded_by_either_and_included_by_both() -> None:
    above = exclude("Blood pressure > 160/100 mmHg").criterion
    below = read("Blood pressure < 140/90 mmHg").criterion

    assert above is not None
    assert below is not None
    assert [each["observation"]["value"]["gt"] for each in above["any"]] == [160, 100]
    assert [each["observation"]["value"]["lt"] for each in below["all"]] == [140, 90]


def test_measurements_may_share_their_bounds() -> None:
    above = exclude("ALT or AST > 3 x ULN").criterion
    below = read("AST and ALT \u2264 2.5 x ULN").criterion

    assert above is not None
    assert below is not None
    assert len(above["any"]) == 2
    assert len(below["all"]) == 2


def test_a_value_outside_of_a_range_is_either_of_two() -> None:
    criterion = exclude("TSH < 0.45 mIU/L or > 10 mIU/L").criterion

    assert criterion is not None
    values = [each["observation"]["value"] for each in criterion["any"]]
    assert values == [{"lt": 0.45, "unit": "m[IU]/L"}, {"gt": 10, "unit": "m[IU]/L"}]


def test_a_window_applies_to_the_latest_value() -> None:
    criterion = read("Most recent hemoglobin A1c \u2265 9% within the last 2 years.").criterion

    assert criterion is not None
    assert criterion["observation"]["within"] == {"from": "-P2Y"}


def test_a_unit_is_assumed_only_where_values_allow_no_other() -> None:
    assumed = read("HbA1c > 8")
    impossible = read("HbA1c > 60")
    unknown = read("Creatinine > 1.5")

    assert assumed.extent is Extent.WHOLE
    assert assumed.assumptions == (Assumption.UNIT,)
    assert assumed.confidence is Confidence.MEDIUM
    assert impossible.extent is Extent.UNREAD
    assert unknown.extent is Extent.UNREAD


@pytest.mark.parametrize(
    "text",
    ["Vitamin D < 30 mg/mL", "HbA1c", "HbA1c 8", "Age", "Glucose > 200"],
)
def test_a_bound_that_is_not_sure_is_not_read(text: str) -> None:
    assert read(text).extent is not Extent.WHOLE
