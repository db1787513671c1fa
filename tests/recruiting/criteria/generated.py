"""Hypothesis's strategies: criteria, facts and dates, with every trap that is known.

Dates are near the edges of windows, of days in the tenant's zone, of months and of leap years.
"""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.recruiting.criteria.slow_evaluator import Codes, Situation
from tests.recruiting.criteria.slow_values import Meaning
from trially.recruiting.criteria.code_sets import CodeRange, CodeSet, NoTerminology
from trially.recruiting.criteria.facts import Enrollment, Fact, Person, Place
from trially.recruiting.criteria.language.codes import ICD10, ICD10CM, RXNORM, SNOMED, Coding
from trially.value_sets.codes import LOINC

HBA1C = Coding(LOINC, "4548-4")
HBA1C_IFCC = Coding(LOINC, "59261-8")
GLUCOSE = Coding(LOINC, "2345-7")
SCORE = Coding(LOINC, "72514-3")
TEMPERATURE = Coding(LOINC, "8310-5")
DIABETES = Coding(SNOMED, "44054006")
METFORMIN = Coding(RXNORM, "860975")
STUDY, OTHER_STUDY = UUID(int=1), UUID(int=2)
HOME, AWAY = Place(40.71, -74.0), Place(42.36, -71.06)

_T2DM = CodeSet(frozenset({DIABETES}), frozenset({"E11"}), "t2dm@1", "type 2 diabetes")
_PREGNANCY = CodeSet(
    frozenset({Coding(SNOMED, "77386006")}),
    version="pregnancy@1",
    ranges=frozenset(CodeRange(system, "O", "P") for system in (ICD10CM, ICD10)),
)
"""It has ranges where the slow evaluator has a prefix."""


class Terms(NoTerminology):
    """Two value sets."""

    def value_set(self, name: str) -> CodeSet | None:
        return {"t2dm": _T2DM, "pregnancy": _PREGNANCY}.get(name)


MEANING = Meaning(
    {
        "t2dm": Codes(frozenset({tuple(DIABETES)}), ("E11",)),
        "pregnancy": Codes(frozenset({(SNOMED, "77386006")}), ("O",)),
    }
)

ZONES = ["UTC", "America/New_York", "Pacific/Auckland", "Asia/Kolkata", "America/Los_Angeles"]
MOMENTS = [
    dt.datetime(2026, 11, 27, 4, 30, tzinfo=dt.UTC),
    dt.datetime(2026, 11, 27, 0, 0, tzinfo=dt.UTC),
    dt.datetime(2024, 2, 29, 12, 0, tzinfo=dt.UTC),
    dt.datetime(2025, 2, 28, 23, 59, 59, tzinfo=dt.UTC),
    dt.datetime(2026, 3, 31, 18, 0, tzinfo=dt.UTC),
    dt.datetime(2026, 3, 8, 7, 30, tzinfo=dt.UTC),
    dt.datetime(2026, 8, 31, 3, 59, 59, 999999, tzinfo=dt.UTC),
    dt.datetime(2026, 1, 1, 5, 0, tzinfo=dt.UTC),
]
DURATIONS = ["P0D", "P1D", "P30D", "P1M", "P90D", "P3M", "P6M", "P9M", "P1Y", "P24M", "P5Y"]
_AGO = {"P0D": 0, "P1D": 1, "P30D": 30, "P90D": 90, "P1M": 30, "P3M": 91, "P6M": 182}
_EDGES = [*_AGO.values(), 365, 730, 1826]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    return Situation(draw(st.sampled_from(MOMENTS)), ZoneInfo(draw(st.sampled_from(ZONES))))


@st.composite
def instants(draw: st.DrawFn, now: Situation) -> dt.datetime:
    """Instants near the edges of days that windows begin or end with, some of them to come."""
    if draw(st.integers(0, 15)) == 0:
        return now.as_of + dt.timedelta(seconds=draw(st.sampled_from([-1, 0, 1, 3600])))
    days = draw(st.sampled_from(_EDGES)) + draw(st.integers(-3, 3))
    if draw(st.integers(0, 5)) == 0:
        days = -draw(st.integers(0, 400))
    day = now.today - dt.timedelta(days=days)
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return now.as_of + dt.timedelta(days=-days, seconds=draw(st.sampled_from([-1, 0, 1])))
    time = draw(st.sampled_from([dt.time(0), dt.time(23, 59, 59), dt.time(8, 15), dt.time(20)]))
    return dt.datetime.combine(day, time, now.zone).astimezone(dt.UTC)


@st.composite
def dates(draw: st.DrawFn, now: Situation, *, partial: bool) -> tuple[Any, str | None]:
    """A time and its precision. Sources send any day of a month or year that they know only."""
    at = draw(instants(now))
    words = ["instant", "instant", "day", *(["month", "year"] if partial else [])]
    precision = draw(st.sampled_from(words))
    if precision == "instant":
        return at, precision
    day = at.astimezone(now.zone).date()
    return dt.datetime.combine(day, dt.time(), dt.UTC), precision


@st.composite
def facts(draw: st.DrawFn, now: Situation, kind: str, codings: list[Any]) -> Fact:
    start, precision = draw(dates(now, partial=draw(st.integers(0, 3)) == 0))
    if draw(st.integers(0, 19)) == 0:
        start, precision = None, None
    end, end_precision = None, None
    if kind in ("condition", "medication", "encounter") and draw(st.booleans()):
        end, end_precision = draw(dates(now, partial=draw(st.integers(0, 4)) == 0))
        if start is not None and end < start:
            start, end = end, start
            precision, end_precision = end_precision, precision
    recorded = draw(st.none() | instants(now))
    system, code = draw(st.sampled_from(codings))
    fact = Fact(
        id=UUID(int=draw(st.integers(1, 10**6))),
        type=kind,
        code_system=system,
        code=code,
        start_at=start,
        start_precision=precision,
        end_at=end,
        end_precision=end_precision,
        recorded_at=recorded,
        created_at=draw(st.sampled_from([None, now.as_of - dt.timedelta(days=2)])),
        source=draw(st.sampled_from(["a", "b"])),
        source_type="MedicationRequest" if kind == "medication" else "",
    )
    fact = fact._replace(**draw(_statuses(kind)), **draw(_faults()))
    if draw(st.integers(0, 7)) == 0:
        other = {"system": system, "code": code}
        fact = fact._replace(code_system="urn:local", code="x1", other_codings=[other])
    return fact


def _statuses(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    if kind in ("condition", "allergy"):
        return st.fixed_dictionaries(
            {
                "clinical_status": st.sampled_from(["active", "active", "resolved", None]),
                "verification_status": st.sampled_from(
                    ["confirmed", None, None, None, "provisional", "refuted", "entered-in-error"]
                ),
            }
        )
    if kind == "medication":
        words = ["active", "active", "completed", "stopped", "on-hold", None, "cancelled"]
        return st.fixed_dictionaries(
            {
                "status": st.sampled_from(words),
                "intent": st.sampled_from(["order", "order", "plan", "proposal"]),
            }
        )
    if kind == "encounter":
        return st.fixed_dictionaries(
            {
                "status": st.sampled_from(["finished", "finished", "planned", "in-progress"]),
                "category": st.sampled_from(["IMP", "AMB", "EMER", None]),
            }
        )
    return st.fixed_dictionaries(
        {"status": st.sampled_from(["final", "final", "final", "cancelled", None])}
    )


def _faults() -> st.SearchStrategy[dict[str, Any]]:
    """Rarely, a reason why a fact must not be used."""
    nothing: list[dict[str, Any]] = [{}] * 16
    return st.sampled_from(
        [
            *nothing,
            {"entered_in_error": True},
            {"withdrawn_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
            {"date_problem": "in_future"},
            {"date_problem": "after_death"},
            {"focus": "Patient/child"},
            {"negated": True},
        ]
    )


_UNITS_OF = {
    GLUCOSE.code: ["mg/dL", "mg/dl", "mmol/L", "mmol/l", "mM"],
    SCORE.code: [None, "{score}", "1"],
    TEMPERATURE.code: ["Cel", "C", "[degF]", "degF"],
    HBA1C.code: ["%", "%", "percent", "mmol/mol"],
}
"""Units in which sources report, in several spellings."""


@st.composite
def observations(draw: st.DrawFn, now: Situation) -> Fact:
    codings = [HBA1C, HBA1C, HBA1C, HBA1C_IFCC, GLUCOSE, SCORE, TEMPERATURE, (None, "4548-4")]
    fact = draw(facts(now, "observation", codings))
    number = draw(
        st.sampled_from(["5", "6.9", "6.94", "6.95", "7", "7.0", "7.04", "7.05", "10", "10.1"])
        | st.sampled_from(["48", "52", "53", "54", "86", "87", "126", "125", "200"])
        | st.sampled_from(["36.6", "37.5", "37.46", "38.0", "99.5", "100.4"])
    )
    units = [*_UNITS_OF.get(fact.code or "", ["%", "%", "mmol/mol"]), None, "furlongs", "mg/dL"]
    fact = fact._replace(
        value_number=draw(st.sampled_from([Decimal(number)] * 9 + [None])),
        unit=draw(st.sampled_from(units)),
        comparator=draw(st.sampled_from([None] * 6 + ["<", "<=", ">", ">=", "ad"])),
        reference_high=draw(st.sampled_from([None, Decimal(2), Decimal("5.7"), Decimal(0)])),
        reference_low=draw(st.sampled_from([None, Decimal(4)])),
    )
    if fact.code_system == "urn:local":
        fact = fact._replace(unit=draw(st.sampled_from(["%", "mmol/mol", None])))
    if draw(st.integers(0, 5)) == 0:
        word = draw(st.sampled_from(["Positive", "negative ", "POSITIVE"]))
        fact = fact._replace(value_text=word, value_number=None)
    if draw(st.integers(0, 5)) == 0:
        code = draw(st.sampled_from(["10828004", "260385009"]))
        fact = fact._replace(value_code_system=SNOMED, value_code=code, value_number=None)
    return fact


def records(now: Situation) -> st.SearchStrategy[Fact]:
    icd = [Coding(ICD10CM, code) for code in ("E11.9", "E119", "E10.9", "E12", "O09.5", "P00")]
    others = [Coding(ICD10, "E11"), Coding(ICD10CM, "E11.65"), (None, "44054006"), (None, "E11.9")]
    return st.one_of(
        facts(now, "condition", [DIABETES, *icd, *others]),
        facts(now, "medication", [METFORMIN]),
        facts(now, "encounter", [Coding(SNOMED, "185349003")]),
        facts(now, "procedure", [Coding(SNOMED, "232717009")]),
        facts(now, "allergy", [Coding(SNOMED, "419474003")]),
        facts(now, "immunization", [Coding("http://hl7.org/fhir/sid/cvx", "140")]),
        observations(now),
    )


@st.composite
def persons(draw: st.DrawFn, now: Situation) -> Person:
    years = draw(st.sampled_from([0, 1, 17, 18, 19, 50, 75, 76]))
    near = now.today - dt.timedelta(days=draw(st.integers(-2, 2)))
    births = [dt.date(near.year - years, near.month, min(near.day, 28)), dt.date(2004, 2, 29)]
    births += [dt.date(2008, 1, 1), dt.date(2007, 12, 31), None]
    death = draw(st.none() | instants(now))
    return Person(
        id=UUID(int=7),
        birth_date=draw(st.sampled_from(births)),
        birth_date_precision=draw(st.sampled_from(["day", "day", "month", "year", None])),
        sex=draw(st.sampled_from(["female", "female", "male", "other", "unknown", None])),
        deceased=draw(st.sampled_from([False, False, True])),
        deceased_on=None if death is None else death.astimezone(now.zone).date(),
        deceased_precision=draw(st.sampled_from(["day", "month", "year", "instant", None])),
        enrollments=draw(st.none() | st.lists(_enrollments(now), max_size=2).map(tuple)),
        place=draw(st.sampled_from([None, HOME, AWAY])),
    )


@st.composite
def _enrollments(draw: st.DrawFn, now: Situation) -> Enrollment:
    days = sorted(draw(instants(now)).astimezone(now.zone).date() for _ in range(2))
    return Enrollment(
        UUID(int=draw(st.integers(1, 99))),
        draw(st.sampled_from([STUDY, OTHER_STUDY, OTHER_STUDY])),
        draw(st.sampled_from([days[0], days[0], None])),
        draw(st.sampled_from([days[1], None])),
    )
