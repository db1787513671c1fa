"""Find records that are dated before the birth or after the death, as imports mark them.

The rule is that of `recruiting/patients/lifetimes`, where the database applies it.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from trially.recruiting.patients.lifetimes import AFTER_DEATH, BEFORE_BIRTH, DAYS_AFTER_DEATH
from trially.recruiting.patients.visits import VISITED_STATUSES

_UNCERTAIN_DAYS = {"year": 365, "month": 30}

Row = Mapping[str, Any]


def problem_of(fact: Row, patient: Row) -> str | None:
    """Return why the date of a fact is impossible for a patient, or None."""
    last_day = next(
        (day for name in ("start", "end", "recorded") if (day := _last_day(fact, name))), None
    )
    born, died = patient["birth_date"], _died(patient)
    if born and last_day and last_day < dt.date.fromisoformat(born) - dt.timedelta(days=1):
        return BEFORE_BIRTH
    first_day, latest = _day(fact, "start"), dt.timedelta(days=DAYS_AFTER_DEATH)
    if died and first_day and first_day > died + latest and _took_place(fact):
        return AFTER_DEATH
    return None


def _took_place(fact: Row) -> bool:
    """Return False for visits that were planned: they may be dated after the death."""
    return fact["type"] != "encounter" or fact.get("status") in VISITED_STATUSES


def _day(fact: Row, name: str) -> dt.date | None:
    """Return the local day of a time of a fact."""
    at = fact.get(f"{name}_at")
    if at is None:
        return None
    offset = dt.timedelta(minutes=fact.get(f"{name}_offset") or 0)
    return (dt.datetime.fromisoformat(at).astimezone(dt.UTC) + offset).date()


def _last_day(fact: Row, name: str) -> dt.date | None:
    """Return the last local day that a time may be, if only its month or year is known."""
    day = _day(fact, name)
    if day is None:
        return None
    return day + dt.timedelta(days=_UNCERTAIN_DAYS.get(fact.get(f"{name}_precision") or "", 0))


def _died(patient: Row) -> dt.date | None:
    """Return the last day on which the patient may have died."""
    written = patient["deceased_on"] or patient["deceased_at"]
    if written is None:
        return None
    day = dt.date.fromisoformat(written[:10])
    return day + dt.timedelta(days=_UNCERTAIN_DAYS.get(patient["deceased_precision"] or "", 0))
