"""Whole statements: conditions, medications, times, negations, and how parts are joined."""

import pytest
from statements import exclude, read

from trially.recruiting.criteria.language.criteria import parse_expression
from trially.recruiting.drafting.reading.elements import Assumption, Json
from trially.recruiting.drafting.reading.readings import Confidence, Extent, Reading
from trially.recruiting.drafting.splitting.statements import Section

T2DM = {"icd10_prefix": ["E11"], "codes": ["sct|44054006"], "descendants": True}
STROKE = {
    "icd10_prefix": ["I60", "I61", "I63", "I64"],
    "codes": ["sct|230690007"],
    "descendants": True,
}
METFORMIN = {"ingredient": ["6809"]}


def expression(reading: Reading) -> Json:
    assert reading.extent is Extent.WHOLE
    assert reading.criterion is not None
    parse_expression(reading.criterion)
    return reading.criterion


def test_a_diagnosis_is_a_condition() -> None:
    assert expression(read("Diagnosis of type 2 diabetes")) == {"condition": {"in": T2DM}}
    assert expression(read("Patients with T2DM")) == {"condition": {"in": T2DM}}
    active = expression(read("Active diabetes mellitus type 2"))
    assert active == {"condition": {"in": T2DM, "status": "active"}}


def test_a_value_set_of_the_tenant_replaces_the_codes() -> None:
    reading = read("Diagnosis of type 2 diabetes", value_sets={"type_2_diabetes"})

    assert expression(reading) == {"condition": {"in": {"valueset": ["type_2_diabetes"]}}}


def test_history_and_times_are_windows() -> None:
    past = exclude("History of stroke within 6 months of screening")
    lasting = read("Type 2 diabetes for at least 10 years")

    assert expression(past) == {"condition": {"in": STROKE, "within": {"from": "-P6M"}}}
    assert expression(lasting) == {"condition": {"in": T2DM, "within": {"to": "-P10Y"}}}


@pytest.mark.parametrize(
    "text",
    [
        "No history of stroke within the past 6 months",
        "No stroke in the last six (6) months",
        "Without stroke within 6 months prior to randomization",
        "Absence of stroke in the previous 6 months",
    ],
)
def test_none_within_is_a_negated_window(text: str) -> None:
    stroke = {"condition": {"in": STROKE, "within": {"from": "-P6M"}}}
    assert expression(read(text)) == {"not": stroke}


def test_a_negation_applies_to_the_whole_list() -> None:
    criterion = expression(read("No history of stroke, asthma or type 2 diabetes"))

    assert list(criterion) == ["not"]
    assert len(criterion["not"]["any"]) == 3


def test_a_negation_ends_before_what_must_be() -> None:
    criterion = expression(read("No history of stroke and HbA1c > 7%"))

    assert criterion["all"][0] == {"not": {"condition": {"in": STROKE}}}
    assert "observation" in criterion["all"][1]


def test_medications_are_taken_now_or_were_in_a_window() -> None:
    now = exclude("Current use of metformin")
    lasting = read("On metformin for at least 3 months")
    window = exclude("Use of metformin within 90 days")

    assert expression(now) == {"medication": {"in": METFORMIN, "status": "active"}}
    assert expression(lasting) == {
        "medication": {"in": METFORMIN, "status": "active", "min_days": 90}
    }
    assert expression(window) == {
        "any": [
            {"medication": {"in": METFORMIN, "status": "active"}},
            {"medication": {"in": METFORMIN, "within": {"from": "-P90D"}}},
        ]
    }


def test_other_studies_stays_allergies_and_distances_are_read() -> None:
    study = exclude("Participation in another clinical trial within the last 30 days")
    product = exclude("Received any investigational drug within 3 months of screening")
    stay = exclude("Hospitalization within 3 months of screening")
    allergy = exclude("Known hypersensitivity to metformin")
    distance = read("Lives within 50 miles of the study site")

    assert expression(study)["enrollment"]["within"] == {"from": "-P30D"}
    assert expression(product)["enrollment"]["within"] == {"from": "-P3M"}
    assert expression(stay) == {"encounter": {"class": ["inpatient"], "within": {"from": "-P3M"}}}
    assert expression(allergy) == {"allergy": {"in": METFORMIN}}
    assert expression(distance) == {"distance": {"lte": 50.0, "unit": "mi"}}


def test_an_allergy_may_be_to_any_of_several_medications() -> None:
    criterion = expression(exclude("Hypersensitivity to metformin or warfarin"))

    assert [list(each) for each in criterion["any"]] == [["allergy"], ["allergy"]]


@pytest.mark.parametrize(
    "text",
    [
        "Patients with asthma must have a total bilirubin < 2 mg/dL",
        "Arrhythmia requiring treatment",
        "Current cancer or stroke within 5 years",
        "BMI > 25 kg/m2 adults, BMI > 20 kg/m2 children aged under 10 years",
        "At least 12 months and at most 13 years of age",
    ],
)
def test_conditions_between_parts_are_not_read_as_whole(text: str) -> None:
    assert read(text).extent is not Extent.WHOLE


def test_a_stay_without_a_time_is_not_whole() -> None:
    assert exclude("Hospitalization").extent is not Extent.WHOLE


@pytest.mark.parametrize(
    "text", ["Pregnancy", "Pregnant women", "Women who are pregnant", "Currently pregnant"]
)
def test_pregnancy_is_read(text: str) -> None:
    assert expression(exclude(text)) == {"pregnancy": {}}


@pytest.mark.parametrize(
    "text",
    [
        "Planning to become pregnant",
        "Previous pregnancy",
        "Multiple pregnancies",
        "Agrees to avoid pregnancy",
        "Prevention of pregnancy",
    ],
)
def test_a_pregnancy_that_is_not_now_is_not_read(text: str) -> None:
    assert exclude(text).parts == ()


def test_a_negative_test_is_no_pregnancy_with_an_assumption() -> None:
    reading = read("Negative serum or urine pregnancy test")

    assert expression(reading) == {"not": {"pregnancy": {}}}
    assert reading.assumptions == (Assumption.PREGNANCY_TEST,)


def test_one_sex_is_a_criterion_and_both_are_none() -> None:
    one = expression(read("Women \u2265 22 years old"))
    both = expression(read("Male and female patients \u226518 years old."))

    assert one == {"all": [{"sex": {"in": ["female"]}}, {"age": {"gte": 22}}]}
    assert both == {"age": {"gte": 18}}


def test_and_joins_what_is_included_and_lists_what_excludes() -> None:
    included = expression(read("Type 2 diabetes and hypertension"))
    excluded = exclude("Pregnant and lactating women")

    assert len(included["all"]) == 2
    assert len(expression(excluded)["any"]) == 2
    assert excluded.assumptions == (Assumption.AND_IS_OR,)
    assert excluded.confidence is Confidence.MEDIUM


def test_or_and_and_together_are_not_whole() -> None:
    reading = read("Type 2 diabetes and asthma or stroke")

    assert reading.extent is Extent.PARTLY
    assert reading.criterion is None
    assert reading.reason == "The words do not say clearly how the parts are joined."


def test_a_definition_in_brackets_replaces_the_condition_that_it_defines() -> None:
    obese = expression(read("Obesity (BMI > 30 kg/m2)"))
    unclear = read("No evidence of dementia (MMSE \u226524)")

    assert obese["observation"]["value"] == {"gt": 30, "unit": "kg/m2"}
    assert unclear.extent is Extent.PARTLY


def test_an_exclusion_that_says_what_must_not_be_has_no_clear_direction() -> None:
    excluded = exclude("Subject must not have any past history of stroke.")
    included = read("Subject must not have any past history of stroke.")

    assert excluded.extent is Extent.PARTLY
    assert excluded.criterion is None
    assert expression(included) == {"not": {"condition": {"in": STROKE}}}


def test_parts_are_those_of_the_criterion() -> None:
    assert [part.key for part in exclude("Pregnant women").parts] == ["pregnant"]
    assert [part.key for part in read("Adults aged 18 years or older").parts] == ["age"]


def test_examples_in_brackets_add_nothing_to_a_class_that_is_read() -> None:
    known = exclude("Use of an SGLT2 inhibitor (e.g., canagliflozin, empagliflozin)")
    unknown = exclude("Serious mental illness (e.g., schizophrenia)")

    assert [part.key for part in known.parts] == ["sglt2_inhibitors"]
    assert known.extent is Extent.WHOLE
    assert unknown.parts == ()


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("Uncontrolled hypertension", ["Uncontrolled"]),
        ("Pregnant or planning to become pregnant", ["planning", "become pregnant"]),
        ("Use of insulin unless stable", ["unless stable"]),
        ("Type 2 diabetes with a fully charged phone", ["fully charged phone"]),
        ("Age 18 years or older if able to consent", ["if able", "consent"]),
        ("History of cancer other than skin cancer", ["other than skin cancer"]),
    ],
)
def test_a_statement_of_which_a_part_is_read_is_never_whole(text: str, left_out: list[str]) -> None:
    reading = exclude(text)

    assert reading.extent is Extent.PARTLY
    assert reading.criterion is None
    assert reading.confidence is Confidence.LOW
    assert [place.words(text) for place in reading.left_out] == left_out


@pytest.mark.parametrize(
    "text",
    [
        "Family history of type 2 diabetes",
        "First-degree relative with type 2 diabetes",
        "At risk of stroke",
        "Depression score",
        "Diabetes education",
        "Ocular hypertension",
        "Insulin pump",
        "Insulin resistance",
        "Patients with stroke are eligible",
        "Able to read English",
    ],
)
def test_what_is_not_asked_of_the_patient_is_not_proposed(text: str) -> None:
    assert read(text).parts == ()
    assert read(text).extent is Extent.UNREAD


@pytest.mark.parametrize("text", ["None", "N/A", "- ", "Does not meet inclusion criteria;"])
def test_statements_may_ask_nothing(text: str) -> None:
    assert exclude(text).extent is (Extent.NOTHING if text.strip("- ") else Extent.UNREAD)


def test_a_text_without_headings_is_read_as_inclusions_with_an_assumption() -> None:
    reading = read("Asthma", Section.UNSTATED)

    assert reading.extent is Extent.WHOLE
    assert reading.assumptions == (Assumption.SECTION,)


def test_parts_have_the_words_of_the_text() -> None:
    text = "Age \\>= 18 years &amp; HbA1c \u2265 7 %"
    reading = read(text)

    assert [part.words for part in reading.parts] == ["Age \\>= 18 years", "HbA1c \u2265 7 %"]
    assert all(part.place.words(text) == part.words for part in reading.parts)
