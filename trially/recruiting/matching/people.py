"""What matching needs to know of all patients without their records."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
import zstandard
from numpy.typing import NDArray

from trially.database.placement import current_placement
from trially.database.rows import table_of
from trially.database.sealing import field_state
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.facts import Person
from trially.recruiting.criteria.rows import interval_of
from trially.recruiting.matching.bits import Flags, pack
from trially.recruiting.matching.model import IS_NUMBERED
from trially.recruiting.matching.packed_rows import Rows, copy_rows, row_type
from trially.recruiting.matching.subjects import opened_values
from trially.recruiting.patients.model import Patient

PERSON = row_type(
    {
        "ordinal": "i4",
        "birth": "i4",
        "birth_precision": "i2",
        "sex": "i2",
        "is_dead": "i2",
        "death": "i4",
        "death_precision": "i2",
    }
)
Days = NDArray[np.int32]

NO, UNSURE, YES = -1, 0, 1

NO_DAY = 0
"""A day that is not known. Days are numbered as `date.toordinal` does, from 1."""

SEXES = ("unknown", "female", "male", "other")
PRECISIONS = ("day", "month", "year")

_READ = """
SELECT subject.ordinal,
    coalesce(patient.birth_date - DATE '0001-01-01' + 1, 0),
    coalesce(array_position(%(precisions)s::text[], patient.birth_date_precision::text), 1)::int2,
    coalesce(array_position(%(sexes)s::text[], patient.sex::text), 1)::int2,
    patient.deceased::int::int2,
    coalesce(coalesce(patient.deceased_on, (patient.deceased_at AT TIME ZONE %(zone)s)::date)
        - DATE '0001-01-01' + 1, 0),
    coalesce(array_position(%(precisions)s::text[], patient.deceased_precision::text), 1)::int2
FROM match_subject AS subject
JOIN patient ON patient.tenant_id = %(tenant_id)s AND patient.id = subject.patient_id
WHERE subject.tenant_id = %(tenant_id)s AND {is_numbered}
AND patient.record_status = 'current' {of_some}
"""
_OF_SOME = "AND subject.ordinal = ANY (%(ordinals)s::int[])"


@dataclass(frozen=True)
class People:
    """The patients of the tenant whose records are current, in the order of their ordinals."""

    rows: Rows

    def dump(self) -> bytes:
        """Return the rows as bytes for `load`."""
        return zstandard.ZstdCompressor(level=1).compress(self.rows.tobytes())

    @classmethod
    def load(cls, content: bytes) -> "People":
        """Return the patients that `dump` has written."""
        return cls(np.frombuffer(zstandard.ZstdDecompressor().decompress(content), PERSON))

    def persons(self, ordinals: Iterable[int]) -> dict[int, Person]:
        """Return those of some patients whose records are current, without their ids."""
        asked = np.fromiter(ordinals, np.int64)
        places = np.searchsorted(self.rows["ordinal"], asked)
        inside = places < len(self.rows)
        found = self.rows[places[inside]]
        return {
            ordinal: _person_of(row)
            for ordinal, row in zip(asked[inside].tolist(), found, strict=True)
            if row["ordinal"] == ordinal
        }

    @cached_property
    def size(self) -> int:
        """The number of bits that their sets need."""
        return int(self.rows["ordinal"][-1]) + 1 if len(self.rows) else 0

    @cached_property
    def everyone(self) -> int:
        """All of them, the dead too, as a set."""
        return pack(self.flags(np.ones(len(self.rows), np.bool_)))

    def living(self, today: int) -> int:
        """Who has surely not died by a day, as a set."""
        return pack(self.flags(self.death(today) == NO))

    def flags(self, of_rows: Flags) -> Flags:
        """Return a flag for each ordinal, from one for each row."""
        by_ordinal = np.zeros(self.size, np.bool_)
        by_ordinal[self.rows["ordinal"]] = of_rows
        return by_ordinal

    def death(self, today: int) -> NDArray[np.int8]:
        """Return for each row whether the patient has died by a day. It may be unsure."""
        first, last = self._interval("death")
        dated = np.where(last <= today, YES, np.where(first > today, NO, UNSURE))
        dead = np.where(first == NO_DAY, YES, dated)
        return np.where(self.rows["is_dead"] == 1, dead, NO).astype(np.int8)

    @cached_property
    def born(self) -> tuple[Days, Days]:
        """The first and the last day on which each may have been born; `NO_DAY` if unknown."""
        return self._interval("birth")

    def _interval(self, name: str) -> tuple[Days, Days]:
        """Return the first and the last day of a date that is known to some precision."""
        first = self.rows[name].copy()
        last = first.copy()
        for number in np.flatnonzero((self.rows[f"{name}_precision"] > 1) & (first != NO_DAY)):
            day = dt.date.fromordinal(int(first[number]))
            precision = PRECISIONS[self.rows[f"{name}_precision"][number] - 1]
            first[number], last[number] = interval_of(day, precision)
        return first, last


def _person_of(row: Any) -> Person:
    sex = SEXES[row["sex"] - 1]
    birth = int(row["birth"])
    return Person(
        _NO_ID,
        None if birth == NO_DAY else dt.date.fromordinal(birth),
        PRECISIONS[row["birth_precision"] - 1],
        sex,
    )


_NO_ID = UUID(int=0)


def read_people(moment: Moment, ordinals: Sequence[int] | None = None) -> People:
    """Read the patients of the current tenant, or those with some ordinals."""
    parameters = {
        "tenant_id": str(current_placement().tenant_id),
        "precisions": list(PRECISIONS),
        "sexes": list(SEXES),
        "zone": str(moment.days.zone),
        "ordinals": list(ordinals or ()),
    }
    of_some = "" if ordinals is None else _OF_SOME
    found = copy_rows(_READ.format(of_some=of_some, is_numbered=IS_NUMBERED), parameters, PERSON)
    # PostgreSQL would write the rows of a large tenant to its disk to sort them.
    rows = found[np.argsort(found["ordinal"])]
    if field_state().is_sealed:
        _open_birth_dates(rows, ordinals)
    return People(rows)


def _open_birth_dates(rows: Rows, ordinals: Sequence[int] | None) -> None:
    """Fill in birth dates that PostgreSQL cannot read."""
    found = opened_values(table_of(Patient).c.birth_date, ordinals)
    days = {ordinal: day.toordinal() for ordinal, day in found if day is not None}
    rows["birth"] = [days.get(int(ordinal), NO_DAY) for ordinal in rows["ordinal"]]
