"""Each trap of statuses and codes that is known, with the result that decision 61 gives."""

from typing import Any

import pytest

from tests.recruiting.criteria.generated import DIABETES, METFORMIN
from tests.recruiting.criteria.judged_facts import (
    DIABETIC,
    MET,
    NOT_MET,
    WOMAN,
    at,
    diabetes,
    fact,
    judge,
    result,
    unknown,
)
from trially.recruiting.criteria.judgements import Outcome, Reason


def test_an_affirmed_and_refuted_condition_is_a_conflict() -> None:
    affirmed = diabetes("2020-01-01", recorded_at=at("2020-01-01"))
    later = diabetes("2020-01-01", recorded_at=at("2021-01-01"), verification_status="refuted")
    earlier = later._replace(recorded_at=at("2019-01-01"))
    assert result(DIABETIC, affirmed, later) == (Outcome.CONFLICT, Reason.REFUTED_ELSEWHERE)
    assert result(DIABETIC, affirmed, earlier) == MET


def test_a_provisional_diagnosis_may_be_right() -> None:
    provisional = diabetes("2026-01-01", verification_status="provisional")
    assert result(DIABETIC, provisional) == unknown(Reason.UNCONFIRMED)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"status": "active"}, Outcome.MET),
        ({"status": "active", "end_at": at("2026-11-27"), "end_precision": "day"}, Outcome.MET),
        ({"status": "active", "end_at": at("2026-11-26"), "end_precision": "day"}, Outcome.NOT_MET),
        ({"status": "stopped"}, Outcome.NOT_MET),
        ({"status": "stopped", "end_at": at("2027-01-01")}, Outcome.UNKNOWN),
        ({"status": "completed", "source_type": "MedicationDispense"}, Outcome.UNKNOWN),
        ({"status": "active", "intent": "proposal"}, Outcome.UNKNOWN),
        ({"status": None}, Outcome.UNKNOWN),
    ],
)
def test_whether_a_medication_is_taken(columns: dict[str, Any], expected: Outcome) -> None:
    taken = {"medication": {"in": {"codes": "rxnorm|860975"}, "status": "active"}}
    order = fact("medication", METFORMIN, "2026-01-01", **columns)
    assert judge(taken, order).outcome == expected


def test_a_code_without_its_system_is_not_a_code() -> None:
    assert judge(DIABETIC, fact("condition", (None, "44054006"), "2026-01-01")).outcome != (
        Outcome.MET
    )


def test_icd_10_codes_are_found_by_prefix_with_and_without_the_point() -> None:
    system = "http://hl7.org/fhir/sid/icd-10-cm"
    criterion = {"condition": {"in": {"icd10_prefix": "E11.2"}}}
    for code in ("E11.2", "E11.21", "E1121"):
        assert result(criterion, fact("condition", (system, code), "2026-01-01")) == MET
    assert judge(criterion, fact("condition", (system, "E11.9"), "2026-01-01")).outcome != (
        Outcome.MET
    )


def test_any_coding_of_a_record_counts() -> None:
    others = [{"system": DIABETES.system, "code": DIABETES.code}]
    local = fact("condition", ("urn:local", "dm2"), "2026-01-01", other_codings=others)
    assert result(DIABETIC, local) == MET


def test_men_are_not_pregnant() -> None:
    assert result({"pregnancy": {}}, person=WOMAN._replace(sex="male")) == NOT_MET
    assert result({"pregnancy": {}}) == unknown(Reason.NO_COVERAGE)


def test_a_stay_is_in_a_window_if_one_of_its_days_is() -> None:
    criterion = {"encounter": {"class": "inpatient", "within": {"from": "-P30D"}}}
    stay = fact(
        "encounter",
        ("urn:local", "stay"),
        "2026-10-01T08:00",
        category="IMP",
        status="finished",
        end_at=at("2026-11-01T08:00"),
        end_precision="instant",
    )
    assert result(criterion, stay) == MET
    assert judge(criterion, stay).until == at("2026-12-02T05:00")
    assert judge(criterion, stay._replace(status="planned")).outcome == Outcome.UNKNOWN
