"""Whether a clinic has some kind of patient, record, condition or group."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tests.recruiting.criteria.generated_criteria import Json
from tests.recruiting.criteria.slow_trees import GROUPS, leaves_of
from tests.recruiting.matching.generated_clinics import Clinic, Patient
from trially.recruiting.criteria.facts import Fact

OfClinic = Callable[[Clinic], bool]


def facts(clinic: Clinic) -> Iterator[Fact]:
    return (fact for patient in clinic.patients for fact in patient.facts)


def some_fact(has: Callable[[Fact], Any]) -> OfClinic:
    return lambda clinic: any(has(fact) for fact in facts(clinic))


def some_patient(has: Callable[[Patient], Any]) -> OfClinic:
    return lambda clinic: any(has(patient) for patient in clinic.patients)


def some_leaf(has: Callable[[str, Any], Any]) -> OfClinic:
    return lambda clinic: any(
        has(*next(iter(leaf.items())))
        for leaf in (*clinic.leaves, *(leaf for tree in trees(clinic) for leaf in leaves_of(tree)))
    )


def some_node(has: Callable[[Json], Any]) -> OfClinic:
    return lambda clinic: any(has(node) for tree in trees(clinic) for node in nodes(tree))


def trees(clinic: Clinic) -> list[Json]:
    return [tree for _, _, tree in clinic.criteria]


def nodes(tree: Json) -> Iterator[Json]:
    yield tree
    if "when" in tree:
        inner = [tree["when"], tree["then"]]
    else:
        [(kind, what)] = tree.items()
        if kind not in GROUPS:
            return
        inner = what["of"] if kind == "count" else [what] if kind == "not" else what
    for node in inner:
        yield from nodes(node)


def measured(patient: Patient, same: Callable[[Fact], Any]) -> list[tuple[Any, list[Fact]]]:
    """Return the patient's observations in groups that have the same of something."""
    groups: dict[Any, list[Fact]] = {}
    for fact in patient.facts:
        if fact.type == "observation":
            groups.setdefault(same(fact), []).append(fact)
    return list(groups.items())


def has_tie(patient: Patient) -> bool:
    return any(
        start is not None and len({fact.recorded_at for fact in group}) > 1
        for (_, start), group in measured(patient, lambda fact: (fact.code, fact.start_at))
    )


def is_twice(patient: Patient) -> bool:
    seen = Counter((fact.type, fact.code, fact.start_at) for fact in patient.facts)
    sources = Counter((f.type, f.code, f.start_at, f.source) for f in patient.facts)
    return len(sources) > len(seen)


def has_future_beside_past(clinic: Clinic) -> bool:
    at = clinic.now.as_of
    return any(
        {fact.start_at > at for fact in group if fact.start_at is not None} == {True, False}
        for patient in clinic.patients
        for _, group in measured(patient, lambda fact: fact.code)
    )


def crosses_window(clinic: Clinic) -> bool:
    """Whether a date that is known to the month or year has a day that windows begin with."""
    return any(
        fact.start_precision in ("month", "year")
        and fact.start_at is not None
        and fact.start_at.year == edge.year
        and (fact.start_precision == "year" or fact.start_at.month == edge.month)
        for fact in facts(clinic)
        for edge in (clinic.now.today - dt.timedelta(days=days) for days in (30, 90, 182, 365))
    )


def is_on_other_day(clinic: Clinic) -> bool:
    return any(
        fact.start_precision == "instant"
        and fact.start_at is not None
        and fact.start_at.astimezone(clinic.now.zone).date() != fact.start_at.date()
        for fact in facts(clinic)
    )


def begins_later_today(clinic: Clinic) -> bool:
    return any(
        fact.start_precision == "instant"
        and fact.start_at is not None
        and clinic.now.as_of < fact.start_at <= clinic.later_today
        for fact in facts(clinic)
    )


def is_stale_order(clinic: Clinic) -> bool:
    long_ago = clinic.now.as_of - dt.timedelta(days=700)
    return any(
        fact.type == "medication"
        and fact.status == "active"
        and fact.end_at is None
        and fact.start_at is not None
        and fact.start_at < long_ago
        for fact in facts(clinic)
    )


def is_roughly_covered(patient: Patient) -> bool:
    known = {fact.start_precision for fact in patient.facts}
    return bool(known) and known <= {"month", "year"}


def has_unit(*units: str | None) -> OfClinic:
    return some_fact(
        lambda fact: (
            fact.type == "observation" and fact.value_number is not None and fact.unit in units
        )
    )


def named(what: Any) -> Json:
    found = what.get("in", {}) if isinstance(what, dict) else {}
    return found if isinstance(found, dict) else {}


def within(what: Any) -> Json:
    return (what.get("within") or {}) if isinstance(what, dict) else {}
