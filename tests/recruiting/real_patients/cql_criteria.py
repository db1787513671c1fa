"""The same criteria in two languages: ELM for the engine of CQL, and that of trially.

The day is 1 April 2021, to its end. All times of the patients are in UTC, and so is the tenant's
time zone. `latest` means the same where the newest value is one: of two values of one time, CQL
needs one that fits here, and trially all.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.recruiting.real_patients.elm import (
    Elm,
    age_on,
    alias,
    at_time,
    both,
    count,
    date_from,
    either,
    exists,
    greatest,
    integer,
    is_null,
    list_of,
    negation,
    number,
    operator,
    patient_value,
    retrieve,
    text,
    value_of,
    where,
    where_of,
)

AS_OF = "2021-04-01"
_END = at_time(2021, 4, 1, ends=True)


_CODED_BY = {"MedicationRequest": "medication", "Immunization": "vaccineCode"}


class Pair(NamedTuple):
    """A criterion in both languages."""

    elm: Elm
    ours: dict[str, Any]


def _compare(name: str) -> Callable[[Elm, Elm], Elm]:
    return lambda one, other: operator(name, one, other)


at_least, more = _compare("GreaterOrEqual"), _compare("Greater")
at_most, less, equal = _compare("LessOrEqual"), _compare("Less"), _compare("Equal")


def _began_by_now(kind: str, path: str, *codes: str, since: Elm | None = None) -> Elm:
    """Return the resources with some codes that began by the day, and not before another."""
    by_now = at_most(value_of("R", path), _END)
    window = by_now if since is None else both(by_now, at_least(value_of("R", path), since))
    return where(retrieve(kind, *codes, code_property=_CODED_BY.get(kind, "code")), "R", window)


def _conditions(code: str) -> Elm:
    return _began_by_now("Condition", "onset.value", f"SNOMED|{code}")


def _observations(code: str, since: Elm | None = None) -> Elm:
    return _began_by_now("Observation", "effective.value", f"LOINC|{code}", since=since)


def _latest(code: str, test: Elm, since: Elm | None = None) -> Elm:
    """Return whether the newest observation passes a test of `O`, and is not too old."""
    at = value_of("O", "effective.value")
    is_dated = negation(is_null(value_of("T", "effective.value")))
    times = where(_observations(code), "T", is_dated, value_of("T", "effective.value"))
    tests = [equal(at, alias("N")), test] + ([] if since is None else [at_least(at, since)])
    newest = list_of(greatest(times))
    return exists(where_of({"N": newest, "O": _observations(code)}, both(*tests)))


_VALUE = value_of("O", "value.value.value")
_HAS_CODE = value_of("X", "code.value")
_HAS_DIABETES = exists(_conditions("44054006"))
_YEAR_AGO = at_time(2020, 4, 1)


def _coded(alias: str, path: str, code: str) -> Elm:
    """Return whether one of the codings of an element is a code."""
    return exists(where(value_of(alias, path), "X", equal(_HAS_CODE, text(code))))


def _condition(code: str, **more: Any) -> dict[str, Any]:
    return {"condition": {"in": {"codes": [f"sct|{code}"]}, **more}}


def _observation(code: str, **more: Any) -> dict[str, Any]:
    return {"observation": {"in": {"codes": [f"loinc|{code}"]}, **more}}


PAIRS = {
    "age from 18 to 75": Pair(
        both(at_least(age_on(2021, 4, 1), integer(18)), at_most(age_on(2021, 4, 1), integer(75))),
        {"age": {"gte": 18, "lte": 75}},
    ),
    "female": Pair(equal(patient_value("gender.value"), text("female")), {"sex": "female"}),
    "alive": Pair(is_null(patient_value("deceased")), {"deceased": False}),
    "diabetes": Pair(_HAS_DIABETES, _condition("44054006")),
    "active hypertension": Pair(
        exists(where(_conditions("38341003"), "C", _coded("C", "clinicalStatus.coding", "active"))),
        _condition("38341003", status="active"),
    ),
    "prediabetes for six months": Pair(
        exists(
            where(
                _conditions("15777000"),
                "C",
                at_most(value_of("C", "onset.value"), at_time(2020, 10, 1, ends=True)),
            )
        ),
        _condition("15777000", within={"to": "-P6M"}),
    ),
    "latest HbA1c from 7 to 10 %": Pair(
        _latest("4548-4", both(at_least(_VALUE, number(7.0)), at_most(_VALUE, number(10.0)))),
        _observation("4548-4", value={"gte": 7, "lte": 10, "unit": "%"}),
    ),
    "latest HbA1c of a year, at least 5.7 %": Pair(
        _latest("4548-4", at_least(_VALUE, number(5.7)), _YEAR_AGO),
        _observation("4548-4", within={"from": "-P1Y"}, value={"gte": 5.7, "unit": "%"}),
    ),
    "latest eGFR below 60": Pair(
        _latest("33914-3", less(_VALUE, number(60.0))),
        _observation("33914-3", value={"lt": 60, "unit": "mL/min/{1.73_m2}"}),
    ),
    "latest BMI of a year, at least 30": Pair(
        _latest("39156-5", at_least(_VALUE, number(30.0)), _YEAR_AGO),
        _observation("39156-5", within={"from": "-P1Y"}, value={"gte": 30, "unit": "kg/m2"}),
    ),
    "any cholesterol above 240 in five years": Pair(
        exists(
            where(_observations("2093-3", at_time(2016, 4, 1)), "O", more(_VALUE, number(240.0)))
        ),
        _observation(
            "2093-3", pick="any", within={"from": "-P5Y"}, value={"gt": 240, "unit": "mg/dL"}
        ),
    ),
    "all triglycerides of two years below 150": Pair(
        both(
            exists(_observations("2571-8", at_time(2019, 4, 1))),
            negation(
                exists(
                    where(
                        _observations("2571-8", at_time(2019, 4, 1)),
                        "O",
                        at_least(_VALUE, number(150.0)),
                    )
                )
            ),
        ),
        _observation(
            "2571-8", pick="all", within={"from": "-P2Y"}, value={"lt": 150, "unit": "mg/dL"}
        ),
    ),
    "BMI of at least 30 on two days of three years": Pair(
        at_least(
            count(
                where(
                    _observations("39156-5", at_time(2018, 4, 1)),
                    "O",
                    at_least(_VALUE, number(30.0)),
                    date_from(value_of("O", "effective.value")),
                )
            ),
            integer(2),
        ),
        _observation(
            "39156-5",
            pick="any",
            min_count=2,
            within={"from": "-P3Y"},
            value={"gte": 30, "unit": "kg/m2"},
        ),
    ),
    "active metformin": Pair(
        exists(
            where(
                _began_by_now("MedicationRequest", "authoredOn.value", "RXNORM|860975"),
                "M",
                equal(value_of("M", "status.value"), text("active")),
            )
        ),
        {"medication": {"in": {"codes": ["rxnorm|860975"]}, "status": "active"}},
    ),
    "a colonoscopy in ten years": Pair(
        exists(
            _began_by_now(
                "Procedure", "performed.start.value", "SNOMED|73761001", since=at_time(2011, 4, 1)
            )
        ),
        {"procedure": {"in": {"codes": ["sct|73761001"]}, "within": {"from": "-P10Y"}}},
    ),
    "a vaccine against influenza in a year": Pair(
        exists(_began_by_now("Immunization", "occurrence.value", "CVX|140", since=_YEAR_AGO)),
        {"immunization": {"in": {"codes": ["cvx|140"]}, "within": {"from": "-P1Y"}}},
    ),
    "an inpatient stay in three years": Pair(
        exists(
            where(
                retrieve("Encounter", "ACT|IMP", code_property="class"),
                "E",
                both(
                    at_most(value_of("E", "period.start.value"), _END),
                    at_least(value_of("E", "period.end.value"), at_time(2018, 4, 1)),
                ),
            )
        ),
        {"encounter": {"class": ["inpatient"], "within": {"from": "-P3Y"}}},
    ),
    "diabetes, or hypertension without coronary disease": Pair(
        either(
            _HAS_DIABETES,
            both(exists(_conditions("38341003")), negation(exists(_conditions("53741008")))),
        ),
        {
            "any": [
                _condition("44054006"),
                {
                    "all": [
                        _condition("38341003"),
                        {"not": _condition("53741008", missing="not_met")},
                    ]
                },
            ]
        },
    ),
}
