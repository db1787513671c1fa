"""Each trap of dates and values that is known, with the result that decision 61 gives."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from tests.recruiting.criteria.judged_facts import (
    DIABETIC,
    HBA1C_7_TO_10,
    MET,
    NOT_MET,
    NOW,
    WOMAN,
    at,
    diabetes,
    fact,
    hba1c,
    judge,
    result,
    unknown,
)
from trially.recruiting.criteria.judgements import Outcome, Reason


def test_an_old_good_value_does_not_hide_a_new_bad_one() -> None:
    facts = hba1c("2026-10-01T08:00", "8"), hba1c("2026-11-01T08:00", "12")
    assert result(HBA1C_7_TO_10, *facts) == NOT_MET


def test_a_latest_value_outside_of_the_window_is_unknown() -> None:
    assert result(HBA1C_7_TO_10, hba1c("2026-08-28T08:00", "8")) == unknown(Reason.OUT_OF_WINDOW)
    assert result(HBA1C_7_TO_10, hba1c("2026-08-29T08:00", "8")) == MET


def test_the_latest_value_without_a_number_is_not_skipped() -> None:
    facts = hba1c("2026-10-01T08:00", "8"), hba1c("2026-11-01T08:00", None)
    assert result(HBA1C_7_TO_10, *facts) == unknown(Reason.NO_VALUE)


def test_future_values_are_left_out_before_the_latest_is_taken() -> None:
    facts = hba1c("2026-11-01T08:00", "8"), hba1c("2026-11-27T17:00:01", "12")
    assert result(HBA1C_7_TO_10, *facts) == MET
    assert judge(HBA1C_7_TO_10, *facts).until == at("2026-11-27T17:00:01")


def test_a_value_of_this_very_day_counts() -> None:
    assert result(HBA1C_7_TO_10, hba1c("2026-11-27", "8")) == MET
    assert result(HBA1C_7_TO_10, hba1c("2026-11-27T17:00", "8")) == MET


@pytest.mark.parametrize(
    ("comparator", "value", "expected"),
    [
        ("<", "5", NOT_MET),
        ("<", "7", NOT_MET),
        ("<=", "7", unknown(Reason.COMPARATOR)),
        ("<", "8", unknown(Reason.COMPARATOR)),
        (">", "10", NOT_MET),
        (">=", "10", unknown(Reason.COMPARATOR)),
        (">", "8", unknown(Reason.COMPARATOR)),
        ("ad", "8", unknown(Reason.COMPARATOR)),
    ],
)
def test_comparators(comparator: str, value: str, expected: object) -> None:
    found = result(HBA1C_7_TO_10, hba1c("2026-11-01T08:00", value, comparator=comparator))
    assert found == expected


def test_less_than_5_meets_at_most_7() -> None:
    criterion = {"observation": {"code": ["loinc|4548-4"], "value": {"lte": 7, "unit": "%"}}}
    assert result(criterion, hba1c("2026-11-01", "5", comparator="<")) == MET


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("53", "mmol/mol", MET),
        ("52", "mmol/mol", NOT_MET),
        ("86", "mmol/mol", MET),
        ("87", "mmol/mol", NOT_MET),
        ("8", None, unknown(Reason.UNKNOWN_UNIT)),
        ("8", "mg/dL", unknown(Reason.UNKNOWN_UNIT)),
        ("8", "furlongs", unknown(Reason.UNKNOWN_UNIT)),
    ],
)
def test_units(value: str, unit: str | None, expected: object) -> None:
    assert result(HBA1C_7_TO_10, hba1c("2026-11-01T08:00", value, unit)) == expected


@pytest.mark.parametrize(
    ("high", "expected"),
    [("50", MET), ("40", NOT_MET), (None, unknown(Reason.NO_REFERENCE_RANGE))],
)
def test_multiples_of_the_reference_range(high: str | None, expected: object) -> None:
    criterion = {"observation": {"code": ["loinc|1742-6"], "value": {"lte": 3, "times": "ULN"}}}
    alt = fact(
        "observation",
        ("http://loinc.org", "1742-6"),
        "2026-11-01",
        value_number=Decimal(150),
        unit="U/L",
        reference_high=None if high is None else Decimal(high),
    )
    assert result(criterion, alt) == expected


@pytest.mark.parametrize(
    "columns",
    [
        {"entered_in_error": True},
        {"withdrawn_at": NOW},
        {"date_problem": "in_future"},
        {"focus": "Patient/child"},
        {"negated": True},
        {"verification_status": "entered-in-error"},
        {"verification_status": "refuted"},
    ],
)
def test_facts_that_must_not_be_used_are_no_data_and_no_coverage(columns: dict[str, Any]) -> None:
    assert result(DIABETIC, diabetes("2026-01-01")) == MET
    found = judge(DIABETIC, diabetes("2026-01-01", **columns))
    assert (found.outcome, found.reason, found.rows) == (
        Outcome.UNKNOWN,
        Reason.NO_COVERAGE,
        (),
    )


def test_absence_means_not_met_only_with_coverage() -> None:
    visit = hba1c("2024-11-27T15:00", "8")
    assert result(DIABETIC, visit) == (Outcome.NOT_MET, Reason.NO_RECORD)
    assert judge(DIABETIC, visit).until == at("2026-11-28T05:00")
    assert result(DIABETIC, visit, now=NOW + dt.timedelta(days=1)) == unknown(Reason.NO_COVERAGE)
    assert result(DIABETIC, hba1c("2026-12-01", "8")) == unknown(Reason.NO_COVERAGE)


def test_a_date_that_is_known_to_the_month_is_in_a_window_or_partly() -> None:
    criterion = {"condition": {"in": {"valueset": "t2dm"}, "within": {"from": "-P6M"}}}
    june = diabetes("2026-06-12", start_precision="month")
    may = diabetes("2026-05-12", start_precision="month")
    assert result(criterion, june) == MET
    assert result(criterion, may) == unknown(Reason.PARTIAL_DATE)


def test_what_was_recorded_had_begun() -> None:
    this_year = diabetes("2026-01-01", start_precision="year", recorded_at=at("2026-03-01"))
    undated = diabetes(None, recorded_at=at("2026-03-01"))
    assert result(DIABETIC, this_year) == MET
    assert result(DIABETIC, undated) == MET
    criterion = {"condition": {"in": {"valueset": "t2dm"}, "onset": {"before": "P6M"}}}
    assert result(criterion, undated) == MET


@pytest.mark.parametrize(
    ("birth", "precision", "expected"),
    [
        ("2008-11-27", "day", MET),
        ("2008-11-28", "day", (Outcome.NOT_MET, None)),
        ("2008-05-12", "year", unknown(Reason.PARTIAL_DATE)),
        ("2007-12-31", "year", MET),
        ("2008-11-01", "month", unknown(Reason.PARTIAL_DATE)),
    ],
)
def test_ages_at_a_boundary(birth: str, precision: str, expected: object) -> None:
    person = WOMAN._replace(birth_date=dt.date.fromisoformat(birth), birth_date_precision=precision)
    assert result({"age": {"gte": 18}}, person=person) == expected


def test_who_was_born_on_29_february_is_older_on_1_march() -> None:
    adult = {"age": {"gte": 18}}
    person = WOMAN._replace(birth_date=dt.date(2008, 2, 29))
    assert result(adult, person=person, now=at("2026-03-01T04:59")) == NOT_MET
    assert result(adult, person=person, now=at("2026-03-01T05:00")) == MET
    assert judge(adult, person=person, now=at("2026-02-27T12:00")).until == at("2026-03-01T05:00")


def test_months_are_those_of_the_calendar() -> None:
    criterion = {"condition": {"in": {"valueset": "t2dm"}, "within": {"from": "-P6M"}}}
    august = at("2026-08-31T12:00")
    facts = diabetes("2026-02-28"), hba1c("2026-08-01", "8")
    assert result(criterion, *facts, now=august) == MET
    assert result(criterion, diabetes("2026-02-27"), facts[1], now=august)[0] == Outcome.NOT_MET


def test_the_day_ends_at_midnight_of_the_tenant() -> None:
    criterion = {"procedure": {"in": {"codes": "sct|232717009"}, "within": {"from": "-P1D"}}}
    surgery = fact("procedure", ("http://snomed.info/sct", "232717009"), "2026-11-26T05:00")
    earlier = surgery._replace(start_at=at("2026-11-26T04:59:59"))
    assert result(criterion, surgery) == MET
    assert result(criterion, earlier)[0] == Outcome.NOT_MET


def test_the_same_event_of_two_sources_counts_once() -> None:
    criterion = {
        "observation": {
            "code": ["loinc|4548-4"],
            "pick": "any",
            "min_count": 2,
            "value": {"gte": 7, "unit": "%"},
        }
    }
    one = hba1c("2026-11-01T08:00", "8"), hba1c("2026-11-01T09:00", "8", source="lab")
    assert result(criterion, *one) == (Outcome.NOT_MET, Reason.TOO_FEW)
    assert result(criterion, *one, hba1c("2026-10-31T08:00", "8")) == MET


def test_two_values_of_one_time_are_a_conflict_if_they_decide_differently() -> None:
    one = hba1c("2026-11-01T08:00", "8")
    assert result(HBA1C_7_TO_10, one, hba1c("2026-11-01T08:00", "9", source="lab")) == MET
    other = hba1c("2026-11-01T08:00", "12", source="lab")
    assert result(HBA1C_7_TO_10, one, other) == (Outcome.CONFLICT, Reason.TWO_VALUES)


def test_a_later_record_of_one_source_corrects_the_earlier_one() -> None:
    first = hba1c("2026-11-01T08:00", "12", recorded_at=at("2026-11-01T10:00"))
    corrected = hba1c("2026-11-01T08:00", "8", recorded_at=at("2026-11-02T10:00"))
    assert result(HBA1C_7_TO_10, first, corrected) == MET
    assert result(HBA1C_7_TO_10, corrected, first._replace(recorded_at=None)) == MET
