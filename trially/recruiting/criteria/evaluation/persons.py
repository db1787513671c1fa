"""What age, sex, death, distance and participation in studies mean."""

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from math import asin, cos, radians, sin, sqrt

from trially.recruiting.criteria.days import NEVER, Moment
from trially.recruiting.criteria.evaluation.subjects import Subject
from trially.recruiting.criteria.evaluation.windows import NO_CHANGE, Place, WindowDays, place_of
from trially.recruiting.criteria.facts import Enrollment as Participation
from trially.recruiting.criteria.facts import Person
from trially.recruiting.criteria.facts import Place as Point
from trially.recruiting.criteria.judgements import Judgement, Outcome, Reason
from trially.recruiting.criteria.language.parts import Missing
from trially.recruiting.criteria.language.person_leaves import (
    Age,
    AgeUnit,
    Deceased,
    Distance,
    DistanceUnit,
    Enrollment,
    Sex,
)
from trially.recruiting.criteria.rows import ALWAYS, UNDATED, interval_of

JudgePerson = Callable[[Subject], Judgement]

EARTH_KM = 6371.0088
_MILE_KM = Decimal("1.609344")
_DAYS_IN = {AgeUnit.DAYS: 1, AgeUnit.WEEKS: 7}
_MONTHS_IN = {AgeUnit.MONTHS: 1, AgeUnit.YEARS: 12}


def compile_age(leaf: Age) -> JudgePerson:
    """Return the function that judges an age: an interval, if the birth date is partly known."""
    low = leaf.gte if leaf.gte is not None else None if leaf.gt is None else leaf.gt + 1
    high = leaf.lte if leaf.lte is not None else None if leaf.lt is None else leaf.lt - 1
    turns = [age for age in (low, None if high is None else high + 1) if age is not None]

    def judge(subject: Subject) -> Judgement:
        born = birth_interval(subject.person)
        today = subject.moment.today
        if born is None or born[0] > today:
            until = NEVER if born is None else subject.moment.days.midnight(born[0])
            return Judgement(Outcome.UNKNOWN, Reason.NO_BIRTH_DATE, (), until)
        first, last = born
        oldest = age_of(first, today, leaf.unit)
        youngest = age_of(min(last, today), today, leaf.unit)
        until = _next_turn(born, turns, leaf.unit, subject.moment)
        if (low is not None and oldest < low) or (high is not None and youngest > high):
            return Judgement(Outcome.NOT_MET, None, (), until)
        if (low is None or youngest >= low) and (high is None or oldest <= high):
            return Judgement(Outcome.MET, None, (), until)
        return Judgement(Outcome.UNKNOWN, Reason.PARTIAL_DATE, (), until)

    return judge


def _next_turn(
    born: tuple[int, int], ages: Iterable[int], unit: AgeUnit, moment: Moment
) -> dt.datetime:
    """Return when one of some ages may be completed, or when the last day of birth comes."""
    if not moment.looks_ahead:
        return NEVER
    days = [reaching_age(day, age, unit) for day in born for age in ages]
    day = min((day for day in (*days, born[1]) if day > moment.today), default=NO_CHANGE)
    return NEVER if day == NO_CHANGE else moment.days.midnight(day)


def birth_interval(person: Person) -> tuple[int, int] | None:
    """Return the first and the last day on which a person may have been born."""
    if person.birth_date is None:
        return None
    return interval_of(person.birth_date, person.birth_date_precision)


def age_of(born: int, today: int, unit: AgeUnit) -> int:
    """Return the completed years, months, weeks or days.

    A person who was born on 29 February completes a year on 1 March, if there is no such day.
    """
    if unit in _DAYS_IN:
        return (today - born) // _DAYS_IN[unit]
    birth, day = dt.date.fromordinal(born), dt.date.fromordinal(today)
    months = (day.year - birth.year) * 12 + day.month - birth.month - (day.day < birth.day)
    return months // _MONTHS_IN[unit]


def reaching_age(born: int, age: int, unit: AgeUnit) -> int:
    """Return the day on which an age is completed."""
    if unit in _DAYS_IN:
        return born + age * _DAYS_IN[unit]
    birth = dt.date.fromordinal(born)
    year, month = divmod(birth.year * 12 + birth.month - 1 + age * _MONTHS_IN[unit], 12)
    if year > dt.MAXYEAR - 1:
        return ALWAYS
    try:
        return dt.date(year, month + 1, birth.day).toordinal()
    except ValueError:
        return dt.date(year + (month == 11), (month + 1) % 12 + 1, 1).toordinal()


def compile_sex(leaf: Sex) -> JudgePerson:
    """Return the function that judges the administrative gender."""
    asked = frozenset(each.value for each in leaf.in_)

    def judge(subject: Subject) -> Judgement:
        sex = subject.person.sex
        if sex is None or sex == "unknown":
            return Judgement(Outcome.UNKNOWN, Reason.NO_SEX, (), NEVER)
        return Judgement(Outcome.MET if sex in asked else Outcome.NOT_MET, None, (), NEVER)

    return judge


def compile_deceased(leaf: Deceased) -> JudgePerson:
    """Return the function that judges whether a person has died by `as_of`."""

    def judge(subject: Subject) -> Judgement:
        is_dead, until = has_died(subject)
        if is_dead is None:
            return Judgement(Outcome.UNKNOWN, Reason.UNKNOWN_DEATH_DATE, (), until)
        outcome = Outcome.MET if is_dead == leaf.is_ else Outcome.NOT_MET
        return Judgement(outcome, None, (), until)

    return judge


def has_died(subject: Subject) -> tuple[bool | None, dt.datetime]:
    """Return whether a person has died by the day of `as_of`, and until when this holds.

    A death without a date counts for all days.
    """
    person, moment = subject.person, subject.moment
    if not person.deceased:
        return False, NEVER
    day = person.deceased_on
    if day is None and person.deceased_at is not None:
        day = dt.date.fromordinal(moment.days.of(person.deceased_at))
    if day is None:
        return True, NEVER
    first, last = interval_of(day, person.deceased_precision)
    if last <= moment.today:
        return True, NEVER
    if first > moment.today:
        return False, moment.days.midnight(first)
    return None, moment.days.midnight(last)


def compile_distance(leaf: Distance) -> JudgePerson:
    """Return the function that judges the distance to the nearest site."""
    most = most_kilometres(leaf)

    def judge(subject: Subject) -> Judgement:
        kilometres = nearest_site(subject)
        if kilometres is None:
            return Judgement(Outcome.UNKNOWN, Reason.NO_PLACE, (), NEVER)
        outcome = Outcome.MET if kilometres <= most else Outcome.NOT_MET
        return Judgement(outcome, None, (), NEVER)

    return judge


def most_kilometres(leaf: Distance) -> Decimal:
    """Return the greatest distance that meets a leaf."""
    return leaf.lte if leaf.unit == DistanceUnit.KILOMETRES else leaf.lte * _MILE_KM


def nearest_site(subject: Subject) -> float | None:
    """Return the distance in kilometres to the nearest site of the study, if both are known."""
    home = subject.person.place
    if home is None or not subject.study.places:
        return None
    return min(kilometres(home, place) for place in subject.study.places)


def kilometres(one: Point, other: Point) -> float:
    """Return the length of a great circle between two places."""
    latitudes = radians(one.latitude), radians(other.latitude)
    longitude = radians(other.longitude - one.longitude)
    half = sin((latitudes[1] - latitudes[0]) / 2) ** 2
    half += cos(latitudes[0]) * cos(latitudes[1]) * sin(longitude / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(min(1.0, half)))


def compile_enrollment(leaf: Enrollment) -> JudgePerson:
    """Return the function that judges participation in another study."""
    window = WindowDays(leaf.within)

    def judge(subject: Subject) -> Judgement:
        participations = subject.person.enrollments
        if participations is None:
            return Judgement(Outcome.UNKNOWN, Reason.ENROLLMENTS_UNKNOWN, (), NEVER)
        today = subject.moment.today
        first, last = (today, today) if leaf.within is None else window.at(subject.moment)
        others = [each for each in participations if each.study_id != subject.study.id]
        places = [_place(each, first, last) for each in others]
        until = _until(others, subject, window if leaf.within else None)
        if Place.IN in places:
            return Judgement(_outcome(leaf, is_in=True), None, (), until)
        if Place.PARTLY in places:
            return Judgement(Outcome.UNKNOWN, Reason.PARTIAL_DATE, (), until)
        if leaf.missing == Missing.UNKNOWN or (
            leaf.missing == Missing.COVERED and not subject.is_covered
        ):
            reason = Reason.NO_RECORD if leaf.missing == Missing.UNKNOWN else Reason.NO_COVERAGE
            return Judgement(Outcome.UNKNOWN, reason, (), min(until, _coverage(leaf, subject)))
        return Judgement(
            _outcome(leaf, is_in=False), Reason.NO_RECORD, (), min(until, _coverage(leaf, subject))
        )

    return judge


def _outcome(leaf: Enrollment, *, is_in: bool) -> Outcome:
    return Outcome.MET if is_in == leaf.in_other_study else Outcome.NOT_MET


def _coverage(leaf: Enrollment, subject: Subject) -> dt.datetime:
    return subject.coverage_changes_at if leaf.missing == Missing.COVERED else NEVER


def _days(each: Participation) -> tuple[int, int]:
    start = UNDATED if each.started_on is None else each.started_on.toordinal()
    return start, ALWAYS if each.ended_on is None else each.ended_on.toordinal()


def _place(each: Participation, first: int, last: int) -> Place:
    """Return whether a day of participation is in a window."""
    start, end = _days(each)
    if each.started_on is None:
        return Place.OUT if end < first else Place.PARTLY
    return Place.OUT if place_of(start, end, first, last) is Place.OUT else Place.IN


def _until(others: list[Participation], subject: Subject, window: WindowDays | None) -> dt.datetime:
    """Return the next day on which participation in a window may change."""
    moment = subject.moment
    days: list[int] = []
    for each in others:
        start, end = _days(each)
        if window is None:
            days += [day for day in (start, end + 1) if moment.today < day < ALWAYS]
        else:
            days += [window.enters(start, moment), window.leaves(end, moment)]
    day = min(days, default=NO_CHANGE)
    return NEVER if day >= NO_CHANGE else moment.days.midnight(day)
