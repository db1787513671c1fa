"""Find dates that cannot be right. They are stored, marked, and never used."""

import datetime as dt
from functools import lru_cache

from trially.recruiting.imports.fhir.dates import Date
from trially.recruiting.imports.fhir.rows import FactRow
from trially.recruiting.imports.fhir.values import Json
from trially.recruiting.patients.visits import VISITED_STATUSES
from trially.recruiting.records.choices import DateProblem, RecordType

EARLIEST = "1850"
"""Nothing that is recorded of a patient began before this year."""

WORDS = {
    DateProblem.ENDS_BEFORE_START: "ends before the start, so the dates are not used",
    DateProblem.IN_FUTURE: "is in the future, so the dates are not used",
    DateProblem.TOO_EARLY: "is too early to be true, so the dates are not used",
}
_ELEMENTS = {
    "AllergyIntolerance": ("onset", "onset"),
    "Condition": ("onset", "abatement"),
    "Encounter": ("period", "period"),
    "Immunization": ("occurrence", "occurrence"),
    "MedicationAdministration": ("effective", "effective"),
    "MedicationDispense": ("whenHandedOver", "daysSupply"),
    "MedicationOrder": ("dateWritten", "dateEnded"),
    "MedicationRequest": ("authoredOn", "dispenseRequest"),
    "MedicationStatement": ("effective", "effective"),
    "Observation": ("effective", "effective"),
    "Procedure": ("performed", "performed"),
}
_RECORDINGS = ("recorded", "issued", "authoredOn", "dateAsserted", "whenPrepared")
_ONE_DAY = dt.timedelta(days=1)
_NOT_YET = frozenset({"registered", "cancelled", "preparation", "on-hold", "unknown", "not-done"})
_ENDED_TYPES = frozenset(
    {
        RecordType.ENCOUNTER,
        RecordType.IMMUNIZATION,
        RecordType.OBSERVATION,
        RecordType.PROCEDURE,
    }
)
_ENDED_STATUSES = frozenset(
    {"amended", "completed", "corrected", "discharged", "final", "finished"}
)
_TIMES_OF_EVENTS = frozenset({"MedicationAdministration", "MedicationDispense"})


def find_date_problem(fact: FactRow, today: dt.date) -> DateProblem | None:
    """Return why the dates of a fact cannot be right, or None."""
    start, end = fact.get("start_at"), fact.get("end_at")
    if start is not None and end is not None and end[:-1] < start[:-1] and _is_reversed(fact):
        return DateProblem.ENDS_BEFORE_START
    recorded = fact.get("recorded_at")
    first = start or recorded
    if (first is not None and first < EARLIEST) or (end is not None and end < EARLIEST):
        return DateProblem.TOO_EARLY
    if first is not None and _is_ahead(first, today) and (first == recorded or _is_event(fact)):
        return DateProblem.IN_FUTURE
    is_ahead = end is not None and _is_ahead(end, today) and _is_over(fact)
    return DateProblem.IN_FUTURE if is_ahead else None


def find_problem_of_event(at: str | None, today: dt.date) -> DateProblem | None:
    """Return why something cannot have happened at a time, or None."""
    if at is not None and at < EARLIEST:
        return DateProblem.TOO_EARLY
    return DateProblem.IN_FUTURE if at is not None and _is_ahead(at, today) else None


def describe_problem(fact: FactRow, resource: Json, problem: DateProblem) -> tuple[str, str]:
    """Return the element of a fault about the dates of a fact, and the fault's words."""
    kind = fact["source_type"]
    start, end = _ELEMENTS.get(kind, ("start", "end"))
    stems = (end,) if problem == DateProblem.ENDS_BEFORE_START else (start, end, *_RECORDINGS)
    given = sorted(name for name, value in resource.items() if value is not None)
    found = (name for stem in stems for name in given if name.startswith(stem))
    element = next(found, stems[0])
    return f"{kind}.{element}", WORDS[problem]


def _is_ahead(at: str, today: dt.date) -> bool:
    """Return whether a time is in the future, even if it is one day ahead where the source is."""
    return at > _end_of_tomorrow(today)


@lru_cache(maxsize=8)
def _end_of_tomorrow(today: dt.date) -> str:
    return (today + _ONE_DAY).isoformat() + "Z"


def _is_reversed(fact: FactRow) -> bool:
    """Return whether the whole end, such as a year, is before the start."""
    start = Date(fact.get("start_at"), fact.get("start_precision"), fact.get("start_offset"))
    end = Date(fact.get("end_at"), fact.get("end_precision"), fact.get("end_offset"))
    if start.precision == end.precision == "instant":
        return True
    day, latest = start.day, end.latest
    return day is not None and latest is not None and latest < day


def _is_over(fact: FactRow) -> bool:
    """Return whether a fact is said to be over, so that its end is not in the future."""
    return fact["type"] in _ENDED_TYPES and fact.get("status") in _ENDED_STATUSES


def _is_event(fact: FactRow) -> bool:
    """Return whether a fact is said to have happened, so that its start is not in the future."""
    kind, status = fact["type"], fact.get("status")
    if kind == RecordType.ENCOUNTER:
        return status in VISITED_STATUSES
    if kind == RecordType.MEDICATION:
        return fact["source_type"] in _TIMES_OF_EVENTS and status not in _NOT_YET
    return status not in _NOT_YET
