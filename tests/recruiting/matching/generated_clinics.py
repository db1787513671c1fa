"""Hypothesis's strategies: a clinic with patients and records, what is asked, and what changes."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.recruiting.criteria.generated import ZONES, persons, records
from tests.recruiting.criteria.generated_criteria import Json, leaves, trees
from tests.recruiting.criteria.slow_evaluator import Situation
from trially.recruiting.criteria.facts import Fact, Person

PATIENTS = 6
MOST_FACTS = 4
MOMENTS = [
    dt.datetime(2024, 11, 27, 4, 30, tzinfo=dt.UTC),
    dt.datetime(2024, 2, 29, 12, 0, tzinfo=dt.UTC),
    dt.datetime(2025, 2, 28, 23, 59, 59, tzinfo=dt.UTC),
    dt.datetime(2026, 3, 31, 18, 0, tzinfo=dt.UTC),
    # Hours that are left out or occur twice, where clocks change.
    dt.datetime(2026, 3, 8, 7, 30, tzinfo=dt.UTC),
    dt.datetime(2026, 11, 1, 5, 30, tzinfo=dt.UTC),
    dt.datetime(2026, 8, 31, 3, 59, 59, 999999, tzinfo=dt.UTC),
    dt.datetime(2026, 1, 1, 5, 0, tzinfo=dt.UTC),
]
STATES = ("current", "inactive", "withdrawn", "replaced")


@dataclass(frozen=True)
class Patient:
    """A patient with all records."""

    person: Person
    facts: tuple[Fact, ...]
    state: str = "current"

    @property
    def number(self) -> int:
        return self.person.id.int


@dataclass(frozen=True, repr=False)
class Clinic:
    """Patients, a moment, and the criteria that are asked."""

    now: Situation
    patients: tuple[Patient, ...]
    leaves: tuple[Json, ...]
    criteria: tuple[tuple[str, bool, Json], ...]
    """Kind, hardness and tree of each criterion of a study."""
    changed: tuple[Patient | int, ...]
    """Patients as they are after a change. A number stands for one who is deleted."""
    later_today: dt.datetime
    earlier: dt.datetime
    """A moment of a former day."""

    def _repr_pretty_(self, printer: Any, cycle: object) -> None:  # noqa: ARG002
        """Write less than Hypothesis would: some hundred values."""
        printer.text(f"<a clinic on {self.now.as_of} in {self.now.zone}>")

    @property
    def after_changes(self) -> tuple[Patient, ...]:
        gone = {each if isinstance(each, int) else each.number for each in self.changed}
        kept = [patient for patient in self.patients if patient.number not in gone]
        return (*kept, *(each for each in self.changed if isinstance(each, Patient)))


@st.composite
def clinics(draw: st.DrawFn) -> Clinic:
    now = Situation(draw(st.sampled_from(MOMENTS)), ZoneInfo(draw(st.sampled_from(ZONES))))
    patients = tuple(draw(_patients(now, number)) for number in range(1, PATIENTS + 1))
    side = st.sampled_from(["inclusion", "exclusion"])
    criteria = [
        (draw(side), draw(st.sampled_from([True, True, False])), draw(trees(may_have_when=False)))
        for _ in range(2)
    ]
    criteria.append((draw(side), True, draw(trees())))
    numbers = draw(st.lists(st.integers(1, PATIENTS), min_size=1, max_size=3, unique=True))
    return Clinic(
        now,
        patients,
        tuple(draw(st.lists(leaves(), min_size=5, max_size=6))),
        tuple(criteria),
        tuple(draw(_changes(now, patients[number - 1])) for number in numbers),
        end_of_day(now) if draw(st.booleans()) else now.as_of + dt.timedelta(seconds=1),
        draw(st.sampled_from([now.as_of - dt.timedelta(days=d) for d in (1, 30, 366, 1827)])),
    )


@st.composite
def _patients(draw: st.DrawFn, now: Situation, number: int) -> Patient:
    person = draw(persons(now))
    # The product knows neither enrollments nor homes of patients yet.
    person = person._replace(id=UUID(int=number), enrollments=(), place=None)
    if not person.deceased:
        person = person._replace(deceased_on=None, deceased_precision=None)
    if person.birth_date is None:
        person = person._replace(birth_date_precision=None)
    state = draw(st.sampled_from([*["current"] * 6, *STATES]))
    return Patient(person, draw(_facts(now, number)), state)


@st.composite
def _facts(draw: st.DrawFn, now: Situation, number: int) -> tuple[Fact, ...]:
    least = draw(st.sampled_from([0, 2, MOST_FACTS]))
    found = draw(st.lists(records(now), min_size=least, max_size=MOST_FACTS))
    if found and draw(st.integers(0, 5)) == 0:
        again = found[0]._replace(source="c")  # The same, from another source.
        found.append(again)
    if found and draw(st.integers(0, 3)) == 0:
        # The same source says something else, of the same time.
        recorded = draw(st.sampled_from([None, now.as_of, now.as_of - dt.timedelta(days=9)]))
        other = draw(records(now)).value_number
        found.append(found[-1]._replace(recorded_at=recorded, value_number=other))
    return numbered(number, found, now)


def numbered(number: int, facts: Sequence[Fact], now: Situation) -> tuple[Fact, ...]:
    """Return facts with ids that each tenant has too, and all times that the database sets."""
    return tuple(
        fact._replace(
            id=UUID(int=number * 100 + place),
            created_at=fact.created_at or now.as_of - dt.timedelta(days=1),
        )
        for place, fact in enumerate(facts)
    )


@st.composite
def _changes(draw: st.DrawFn, now: Situation, patient: Patient) -> Patient | int:
    kind = draw(st.sampled_from(["facts", "facts", "person", "state", "deletion"]))
    if kind == "deletion":
        return patient.number
    if kind == "facts":
        return replace(patient, facts=draw(_facts(now, patient.number)))
    if kind == "state":
        return replace(patient, state=draw(st.sampled_from(STATES)))
    return replace(draw(_patients(now, patient.number)), facts=patient.facts)


def end_of_day(now: Situation) -> dt.datetime:
    """Return the last instant of a day in the tenant's zone."""
    midnight = dt.datetime.combine(now.today + dt.timedelta(days=1), dt.time(), now.zone)
    return midnight.astimezone(dt.UTC) - dt.timedelta(microseconds=1)


def examine_clinics(number: int, check: Callable[[Clinic, Clinic], None]) -> None:
    """Call a function with ten pairs of clinics, which follow from a number.

    Ten, because Hypothesis goes on with variants of what it has generated. A failure is not shrunk:
    an example takes a second, and the message of a difference names one patient and one condition.
    """

    @seed(number)
    @settings(
        max_examples=10,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(clinic=clinics(), other=clinics())
    def examine(clinic: Clinic, other: Clinic) -> None:
        check(clinic, other)

    examine()
