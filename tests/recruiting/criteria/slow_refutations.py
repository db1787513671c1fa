"""Records that refute others, for the slow evaluator."""

import datetime as dt
from collections.abc import Sequence

from tests.recruiting.criteria.slow_evaluator import Codes, Situation, begin_days, is_used
from trially.recruiting.criteria.facts import Fact


def is_refuted(
    kind: str,
    affirming: list[Fact],
    facts: Sequence[Fact],
    codes: Codes,
    now: Situation,
) -> bool:
    """Whether a record that is not older says that it is not so."""

    def said(fact: Fact) -> dt.date | None:
        if fact.recorded_at is not None:
            return fact.recorded_at.astimezone(now.zone).date()
        return None if fact.start_at is None else begin_days(fact, now)[1]

    newest = max((said(fact) or dt.date.min for fact in affirming), default=dt.date.min)
    for fact in facts:
        if fact.verification_status != "refuted" or not codes.fit(fact):
            continue
        if not is_used(fact._replace(verification_status=None)):
            continue
        if fact.type != kind:
            continue
        is_future = (
            fact.start_at > now.as_of
            if fact.start_precision == "instant" and fact.start_at is not None
            else begin_days(fact, now)[0] > now.today
        )
        day = said(fact)
        if not is_future and (day is None or day >= newest):
            return True
    return False
