"""What each leaf means, by trying all worlds of `slow_evaluator`."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from tests.recruiting.criteria.slow_evaluator import (
    Codes,
    Event,
    Situation,
    begin_days,
    begins,
    completed,
    days_of,
    has_begun,
    is_covered,
    is_used,
    kilometres,
    known_births,
    product_of,
    ways_to_end,
)
from tests.recruiting.criteria.slow_refutations import is_refuted
from tests.recruiting.criteria.slow_values import Meaning, answers_of_value
from trially.recruiting.criteria.facts import Fact, Person, Place

Truth = bool | None
CLASSES = {
    "IMP": "inpatient",
    "EMER": "emergency",
    "AMB": "outpatient",
    "HH": "home",
    "VR": "virtual",
}


def truth_of(
    leaf: Any,
    person: Person,
    facts: Sequence[Fact],
    now: Situation,
    meaning: Meaning,
    sites: Sequence[Place] = (),
) -> Truth:
    """Whether a leaf is met. None if it is not known."""
    if leaf.kind in ("manual", "unsupported"):
        return None
    if leaf.kind == "sex":
        known = person.sex not in (None, "unknown")
        return person.sex in leaf.in_ if known else None
    if leaf.kind == "age":
        return _age(leaf, person, now)
    if leaf.kind == "deceased":
        return _agreement({dead == leaf.is_ for dead in deaths(person, now)})
    if leaf.kind == "distance":
        return _distance(leaf, person, sites)
    if leaf.kind == "enrollment":
        return _enrollment(leaf, person, is_covered(facts, now), now)
    if leaf.kind == "pregnancy" and person.sex == "male":
        return False
    return _records(leaf, facts, now, meaning)


def _agreement(results: set[Truth]) -> Truth:
    return next(iter(results)) if len(results) == 1 else None


def _age(leaf: Any, person: Person, now: Situation) -> Truth:
    births = known_births(person)
    if not births or births[0] > now.today:
        return None
    ages = {completed(birth, now.today, leaf.unit) for birth in births if birth <= now.today}
    return _agreement(
        {
            (leaf.gte is None or age >= leaf.gte)
            and (leaf.gt is None or age > leaf.gt)
            and (leaf.lte is None or age <= leaf.lte)
            and (leaf.lt is None or age < leaf.lt)
            for age in ages
        }
    )


def deaths(person: Person, now: Situation) -> set[bool]:
    """Return whether a person has died by a day: both, if it is not known."""
    if not person.deceased:
        return {False}
    day = person.deceased_on
    if day is None:
        if person.deceased_at is None:
            return {True}
        day = person.deceased_at.astimezone(now.zone).date()
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    return {day <= now.today for day in days_of(midnight, person.deceased_precision)}


def _distance(leaf: Any, person: Person, sites: Sequence[Place]) -> Truth:
    if person.place is None or not sites:
        return None
    most = float(leaf.lte) * (1.609344 if leaf.unit == "mi" else 1)
    return any(kilometres(person.place, site) <= most for site in sites)


def _enrollment(leaf: Any, person: Person, covered: bool, now: Situation) -> Truth:
    if person.enrollments is None:
        return None
    first, last = _window(leaf.within, now) if leaf.within else (now.today, now.today)
    doubt = False
    for each in person.enrollments:
        end = each.ended_on or dt.date.max
        if each.started_on is None:
            doubt = doubt or end >= first
        elif each.started_on <= last and end >= first:
            return leaf.in_other_study
    if doubt:
        return None
    absent = _absent(leaf.missing, covered)
    return None if absent is None else not leaf.in_other_study


def _window(within: Any, now: Situation) -> tuple[dt.date, dt.date]:
    if within is None:
        return dt.date.min, now.today
    first = dt.date.min if within.from_ is None else now.earlier(within.from_)
    return first, now.earlier(within.to)


def _absent(missing: str, covered: bool) -> Truth:
    return {"unknown": None, "not_met": False, "covered": False if covered else None}[missing]


def _records(leaf: Any, facts: Sequence[Fact], now: Situation, meaning: Meaning) -> Truth:
    kind = "condition" if leaf.kind == "pregnancy" else leaf.kind
    codes = meaning.codes(leaf.in_)
    has_codes = bool(leaf.in_.codes or leaf.in_.valueset or leaf.in_.icd10_prefix)
    chosen = [
        fact
        for fact in facts
        if fact.type == kind and is_used(fact) and (codes.fit(fact) or not has_codes)
    ]
    window = _window(leaf.within, now)
    choices = [_events(fact, leaf, codes, now, window, meaning) for fact in chosen]
    absent = _absent(leaf.missing, is_covered(facts, now))
    results: set[Truth] = set()
    for world in product_of(choices):
        there = [
            (fact, event)
            for fact, event in zip(chosen, world, strict=True)
            if event.is_there and has_begun(fact, event.begin, now)
        ]
        if leaf.kind == "observation":
            results |= _observations(leaf, there, window, absent, now)
        else:
            results.add(_counted(leaf, there, window, absent))
    found = _agreement(results)
    if found is True and kind in ("condition", "allergy"):
        affirming = [fact for fact in chosen if _affirms(leaf, fact, now, window)]
        return None if is_refuted(kind, affirming, facts, codes, now) else True
    return found


def _events(
    fact: Fact,
    leaf: Any,
    codes: Codes,
    now: Situation,
    window: tuple[dt.date, dt.date],
    meaning: Meaning,
) -> list[Event]:
    days = getattr(leaf, "min_days", None)
    edges = [day for day in window if day != dt.date.min]
    if days:
        edges.append(now.today - dt.timedelta(days=days))
    provisional = fact.verification_status in ("unconfirmed", "provisional", "differential")
    asked = getattr(leaf, "class_", ())
    known = CLASSES.get(fact.category or "")
    classes = {True, False} if asked and known is None else {not asked or known in asked}
    events = [
        Event(begin, there, going_on, taken, last_day, *answer, has_class)
        for begin in begins(fact, now, edges)
        for there in ({True, False} if provisional else {True})
        for going_on, taken, last_day in ways_to_end(fact, begin, now, edges)
        for answer in answers_of_value(fact, getattr(leaf, "value", None), codes, meaning)
        for has_class in classes
    ]
    return _different(events, fact, leaf, now, window)


def _different(
    events: list[Event], fact: Fact, leaf: Any, now: Situation, window: tuple[dt.date, dt.date]
) -> list[Event]:
    """Leave out events that make no difference to the leaf."""
    found: dict[Any, Event] = {}
    for event in events:
        key: list[Any] = [event.is_there and has_begun(fact, event.begin, now)]
        if leaf.kind == "observation":
            key += [event.begin, event.value, event.value_is_high_enough, event.value_is_low_enough]
        else:
            key.append(_is_counted(leaf, event, window))
            key.append(event.begin.date() if leaf.kind == "pregnancy" or leaf.min_count > 1 else 0)
            if leaf.kind == "pregnancy":
                key.pop()
        found.setdefault(tuple(key), event)
    return list(found.values())


def _is_counted(leaf: Any, event: Event, window: tuple[dt.date, dt.date]) -> bool:
    first, last = window
    if leaf.kind == "encounter":
        is_inside = event.begin.date() <= last and max(event.last_day, event.begin.date()) >= first
    else:
        is_inside = first <= event.begin.date() <= last
    status = "active" if leaf.kind == "pregnancy" else getattr(leaf, "status", "any")
    has_status = status == "any" or event.is_going_on == (status == "active")
    is_long = event.taken_days >= (getattr(leaf, "min_days", None) or -(10**9))
    return is_inside and has_status and is_long and event.has_class


def _counted(
    leaf: Any, there: list[tuple[Fact, Event]], window: tuple[dt.date, dt.date], absent: Truth
) -> Truth:
    days = {event.begin.date() for _, event in there if _is_counted(leaf, event, window)}
    return True if len(days) >= getattr(leaf, "min_count", 1) else absent


def _observations(
    leaf: Any,
    there: list[tuple[Fact, Event]],
    window: tuple[dt.date, dt.date],
    absent: Truth,
    now: Situation,
) -> set[Truth]:
    first, last = window
    inside = [event for _, event in there if first <= event.begin.date() <= last]
    if leaf.pick in ("latest", "earliest"):
        there = [each for each in there if not _is_corrected(each[0], there, now)]
        if not there:
            return {absent}
        times = [event.begin for _, event in there]
        time = max(times) if leaf.pick == "latest" else min(times)
        return {
            event.value if first <= event.begin.date() <= last else absent
            for _, event in there
            if event.begin == time
        }
    if not inside:
        return {absent}
    if leaf.pick == "all":
        return {all(event.value for event in inside)}
    if leaf.pick == "max":
        is_high_enough = any(event.value_is_high_enough for event in inside)
        return {is_high_enough and all(event.value_is_low_enough for event in inside)}
    if leaf.pick == "min":
        is_low_enough = any(event.value_is_low_enough for event in inside)
        return {is_low_enough and all(event.value_is_high_enough for event in inside)}
    return {len({event.begin.date() for event in inside if event.value}) >= leaf.min_count}


def _is_corrected(fact: Fact, there: list[tuple[Fact, Event]], now: Situation) -> bool:
    """Whether the same source recorded something later for the same time."""
    never = dt.datetime.min.replace(tzinfo=dt.UTC)

    def date(each: Fact) -> Any:
        is_instant = each.start_precision == "instant"
        return each.source, begin_days(each, now), each.start_at if is_instant else None

    return any(
        date(other) == date(fact) and (other.recorded_at or never) > (fact.recorded_at or never)
        for other, _ in there
    )


def _affirms(leaf: Any, fact: Fact, now: Situation, window: tuple[dt.date, dt.date]) -> bool:
    """Whether a fact alone surely meets the leaf."""
    no_value = Meaning({})
    events = _events(fact, leaf, Codes(frozenset()), now, window, no_value)
    return all(
        event.is_there and has_begun(fact, event.begin, now) and _is_counted(leaf, event, window)
        for event in events
    )
