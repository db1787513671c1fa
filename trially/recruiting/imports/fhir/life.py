"""Read the birth and the death of a patient. Impossible dates are kept apart, and marked."""

import datetime as dt
from typing import NamedTuple

from trially.recruiting.imports.fhir.dates import NO_DATE, Date, read_date
from trially.recruiting.imports.fhir.plausibility import EARLIEST
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.values import Json, read_flag
from trially.recruiting.patients.choices import PatientDateProblem as Problem

_WORDS = {
    Problem.BIRTH_IN_FUTURE: "is in the future, so it is not used",
    Problem.BIRTH_TOO_EARLY: "is too early to be true, so it is not used",
    Problem.DEATH_IN_FUTURE: "is in the future, so it is not used",
    Problem.DEATH_TOO_EARLY: "is too early to be true, so it is not used",
    Problem.DEATH_BEFORE_BIRTH: "is before the birth, so neither date is used",
}
_BIRTHS = (Problem.BIRTH_IN_FUTURE, Problem.BIRTH_TOO_EARLY)


class Life(NamedTuple):
    """The dates of birth and death that can be used, and those that cannot."""

    birth: Date
    death: Date
    is_deceased: bool
    problem: str | None = None
    impossible: dict[str, str] | None = None
    """The impossible dates by column, as the source gives them."""


def read_life(resource: Json, reading: Reading) -> Life:
    """Return the birth and death of a Patient. A patient with any date of death is deceased."""
    birth = read_date(resource, "birthDate", "Patient", reading)
    death = read_date(resource, "deceasedDateTime", "Patient", reading)
    flag = read_flag(resource.get("deceasedBoolean"), "Patient.deceasedBoolean", reading)
    # A date of death that cannot be read still says that the patient is deceased.
    is_deceased = bool(flag) or bool(resource.get("deceasedDateTime"))
    problem = _find_problem(birth, death, reading.today)
    if problem is None:
        return Life(birth, death, is_deceased)
    element = "birthDate" if problem in _BIRTHS else "deceasedDateTime"
    reading.lose(f"Patient.{element}", _WORDS[problem])
    impossible = {}
    if problem in _BIRTHS or problem == Problem.DEATH_BEFORE_BIRTH:
        impossible["birth_date"] = str(birth.day)
        birth = NO_DATE
    if problem not in _BIRTHS:
        impossible["deceased_at"] = str(death.at)
        death = NO_DATE
    return Life(birth, death, is_deceased, problem.value, impossible)


def _find_problem(birth: Date, death: Date, today: dt.date) -> Problem | None:
    # A date may be one day ahead of UTC where the patient lives.
    last = (today + dt.timedelta(days=1)).isoformat()
    if birth.day is not None:
        if birth.day > last:
            return Problem.BIRTH_IN_FUTURE
        if birth.day < EARLIEST:
            return Problem.BIRTH_TOO_EARLY
    if death.day is not None:
        if death.day > last:
            return Problem.DEATH_IN_FUTURE
        if death.day < EARLIEST:
            return Problem.DEATH_TOO_EARLY
        if birth.day is not None and str(death.latest) < birth.day:
            return Problem.DEATH_BEFORE_BIRTH
    return None
