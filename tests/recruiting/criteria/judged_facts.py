"""Facts of one woman, and what criteria say of them."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.recruiting.criteria.generated import DIABETES, HBA1C, Terms
from trially.recruiting.criteria.days import Days, Moment
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.facts import Fact, Person
from trially.recruiting.criteria.judgements import Judgement, Outcome, Reason
from trially.recruiting.criteria.language.criteria import parse_expression

NOW = dt.datetime(2026, 11, 27, 17, 0, tzinfo=dt.UTC)
NEW_YORK = Days(ZoneInfo("America/New_York"))
WOMAN = Person(UUID(int=1), dt.date(1980, 2, 29), "day", "female")
HBA1C_7_TO_10 = {
    "observation": {
        "in": {"codes": ["loinc|4548-4"]},
        "within": {"from": "-P90D"},
        "value": {"gte": 7, "lte": 10, "unit": "%"},
    }
}
DIABETIC: dict[str, Any] = {"condition": {"in": {"valueset": "t2dm"}}}


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def fact(kind: str, coding: Any, start: str | None, **columns: Any) -> Fact:
    precision = None if start is None else "instant" if "T" in start else "day"
    known = {"start_precision": precision, "status": None, "source": "ehr"} | columns
    return Fact(
        UUID(int=abs(hash((kind, start))) % 2**64),
        kind,
        *coding,
        start_at=None if start is None else at(start),
        **known,
    )


def hba1c(start: str | None, value: str | None, unit: str | None = "%", **columns: Any) -> Fact:
    number = None if value is None else Decimal(value)
    return fact("observation", HBA1C, start, value_number=number, unit=unit, **columns)


def diabetes(start: str | None, **columns: Any) -> Fact:
    return fact("condition", DIABETES, start, **columns)


def judge(
    criterion: dict[str, Any], *facts: Fact, person: Person = WOMAN, now: dt.datetime = NOW
) -> Judgement:
    engine = Engine([leaf for _, leaf in parse_expression(criterion).leaves()], Terms())
    chart = Chart(person, facts, NEW_YORK)
    subject = engine.subject(chart, Moment(now, NEW_YORK))
    return engine.judge_all(chart, subject)[0]


def result(criterion: dict[str, Any], *facts: Fact, **others: Any) -> tuple[Outcome, Reason | None]:
    judgement = judge(criterion, *facts, **others)
    return judgement.outcome, judgement.reason


MET = (Outcome.MET, None)
NOT_MET = (Outcome.NOT_MET, None)


def unknown(reason: Reason) -> tuple[Outcome, Reason]:
    return Outcome.UNKNOWN, reason
