"""What it means that no record of a patient fits: the policy of the leaf."""

import datetime as dt

from trially.recruiting.criteria.days import NEVER
from trially.recruiting.criteria.evaluation.subjects import Subject
from trially.recruiting.criteria.judgements import Judgement, Outcome, Reason
from trially.recruiting.criteria.language.parts import Missing
from trially.recruiting.criteria.rows import Row


def judge_absence(
    policy: Missing,
    subject: Subject,
    reason: Reason = Reason.NO_RECORD,
    rows: tuple[Row, ...] = (),
    until: dt.datetime = NEVER,
) -> Judgement:
    """Return the judgement of a leaf for which no record counts.

    `rows` are those that were looked at in vain, and `until` is when this may change by them.
    """
    if policy == Missing.COVERED:
        until = min(until, subject.coverage_changes_at)
        if not subject.is_covered:
            return Judgement(Outcome.UNKNOWN, Reason.NO_COVERAGE, rows, until)
        return Judgement(Outcome.NOT_MET, reason, rows, until)
    outcome = Outcome.NOT_MET if policy == Missing.NOT_MET else Outcome.UNKNOWN
    return Judgement(outcome, reason, rows, until)
