"""The evaluator of one patient agrees with the slow one, also on when a result may change."""

import datetime as dt
import os
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.recruiting.criteria.generated import (
    HOME,
    MEANING,
    STUDY,
    Terms,
    observations,
    persons,
    records,
    situations,
)
from tests.recruiting.criteria.generated_criteria import (
    leaves,
    observation_leaves,
    person_leaves,
    record_leaves,
)
from tests.recruiting.criteria.slow_evaluator import Situation, TooManyWorldsError
from tests.recruiting.criteria.slow_leaves import truth_of
from tests.recruiting.criteria.slow_reading import read_leaf
from trially.recruiting.criteria.days import NEVER, Days, Moment
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.evaluation.choosing import begun, earliest_rows, latest_rows
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.evaluation.subjects import StudyContext
from trially.recruiting.criteria.facts import Fact, Person, Place
from trially.recruiting.criteria.judgements import Judgement, Outcome
from trially.recruiting.criteria.language.criteria import parse_expression
from trially.recruiting.criteria.language.person_leaves import Leaf
from trially.recruiting.criteria.selectors import Keeps

SITES = (Place(40.75, -73.99), HOME)
TRUTH = {Outcome.MET: True, Outcome.NOT_MET: False}
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))


def leaf_of(value: dict[str, Any]) -> Leaf:
    [(_, leaf)] = parse_expression(value).leaves()
    return leaf


def judged(leaf: Leaf, person: Person, facts: list[Fact], now: Situation) -> Judgement:
    engine = Engine([leaf], Terms())
    days = Days(now.zone)
    chart = Chart(person, facts, days)
    moment = Moment(now.as_of, days)
    subject = engine.subject(chart, moment, StudyContext(STUDY, SITES))
    [judgement] = engine.judge_all(chart, subject)
    assert judgement == engine.judges[0](engine.rows_of(chart, 0), subject)
    assert judgement[:-1] == judged_without_outlook(engine, chart, moment)[:-1]
    return judgement


def judged_without_outlook(engine: Engine, chart: Chart, moment: Moment) -> Judgement:
    """Return the judgement of those who do not read until when it holds."""
    subject = engine.subject(chart, moment.without_outlook(), StudyContext(STUDY, SITES))
    [judgement] = engine.judge_all(chart, subject)
    return judgement


def compare(value: dict[str, Any], person: Person, facts: list[Fact], now: Situation) -> None:
    leaf = leaf_of(value)
    person = person._replace(
        enrollments=None
        if person.enrollments is None
        else tuple(each for each in person.enrollments if each.study_id != STUDY)
    )
    judgement = judged(leaf, person, facts, now)
    try:
        expected = truth_of(read_leaf(value), person, facts, now, MEANING, SITES)
    except TooManyWorldsError:
        assume(False)
    found = TRUTH.get(judgement.outcome)
    if may_stay_unknown(leaf):
        assert found in (expected, None), judgement
    else:
        assert found == expected, judgement


def may_stay_unknown(leaf: Any) -> bool:
    """Whether decision 61 allows to miss that all possibilities agree."""
    return (
        getattr(leaf, "pick", "") in ("max", "min") or getattr(leaf, "min_days", None) is not None
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_observations(data: st.DataObject) -> None:
    now = data.draw(situations())
    facts = data.draw(st.lists(observations(now), max_size=4))
    compare(data.draw(observation_leaves()), Person(STUDY), facts, now)


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_records(data: st.DataObject) -> None:
    now = data.draw(situations())
    facts = data.draw(st.lists(records(now), max_size=4))
    compare(data.draw(record_leaves()), data.draw(persons(now)), facts, now)


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_persons(data: st.DataObject) -> None:
    now = data.draw(situations())
    facts = data.draw(st.lists(observations(now), max_size=1))
    compare(data.draw(person_leaves()), data.draw(persons(now)), facts, now)


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_rows_that_a_frame_may_leave_out_do_not_matter(data: st.DataObject) -> None:
    now = data.draw(situations())
    facts = data.draw(st.lists(observations(now), max_size=6))
    leaf = leaf_of(data.draw(observation_leaves()))
    engine = Engine([leaf], Terms())
    days = Days(now.zone)
    moment = Moment(now.as_of, days)
    chart = Chart(Person(STUDY), facts, days)
    subject = engine.subject(chart, moment)
    rows = list(engine.rows_of(chart, 0))
    choose = {Keeps.LATEST: latest_rows, Keeps.EARLIEST: earliest_rows}
    keeps = engine.selectors[0].keeps
    present = begun(rows, subject).present
    kept = rows
    if keeps != Keeps.ALL:
        candidates = [row for row, _, _ in choose[keeps](present, moment)]
        kept = [row for row in rows if row in candidates or row not in present]
    whole = engine.judges[0](rows, subject)
    assert engine.judges[0](kept, subject)._replace(until=NEVER) == whole._replace(until=NEVER)


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_time_alone_changes_nothing_before_until(data: st.DataObject) -> None:
    now = data.draw(situations())
    facts = data.draw(st.lists(records(now), max_size=4))
    leaf = leaf_of(data.draw(leaves()))
    person = data.draw(persons(now))
    judgement = judged(leaf, person, facts, now)
    end = min(judgement.until, now.as_of + dt.timedelta(days=4000))
    assert judgement.until > now.as_of
    if judgement.until != NEVER:
        assert judgement.until < now.as_of + dt.timedelta(days=60_000)
    whole = end - now.as_of
    shares = data.draw(st.lists(st.floats(0, 1), min_size=2, max_size=2))
    for share in (*shares, 1.0):
        later = min(now.as_of + whole * share, end - dt.timedelta(microseconds=1))
        again = judged(leaf, person, facts, Situation(later, now.zone))
        assert again.outcome == judgement.outcome, (later, again)
