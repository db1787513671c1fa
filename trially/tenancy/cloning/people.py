"""By how much a person's dates are shifted, and who is too old to be shown as old as they are."""

import datetime as dt
from dataclasses import dataclass, field

from trially.tenancy.cloning.fictions import Fictions
from trially.tenancy.lifecycle.moving.sides import SideSession

OLDEST = 90
"""Nobody in a masked clone is older: HIPAA's Safe Harbor joins the ages above 89."""

_PEOPLE = """
SELECT id::text, replaced_by_id::text, birth_date, deceased_on FROM {table}
WHERE tenant_id = '{tenant}' AND (replaced_by_id IS NOT NULL OR birth_date < '{before}')
"""


@dataclass(frozen=True)
class Person:
    """How the dates of one patient are written."""

    id: str
    """The record that is used of the person: all records of a person have one shift."""

    days: int
    """By how many days all dates become earlier."""

    born: dt.date | None = None
    """The date of birth in the clone, if the true one would make the patient too old.

    No date of the patient is before it.
    """

    def shifted(self, day: dt.date) -> dt.date:
        """Return a date as it is in the clone."""
        try:
            moved = day - dt.timedelta(days=self.days)
        except OverflowError:
            moved = day
        return moved if self.born is None else max(moved, self.born)


@dataclass
class People:
    """The patients of a tenant. Only replaced records and old patients are in memory."""

    fictions: Fictions
    today: dt.date
    _replacements: dict[str, str] = field(default_factory=dict)
    _lives: dict[str, tuple[dt.date, dt.date | None]] = field(default_factory=dict)

    def read(self, session: SideSession, table: str) -> None:
        """Read who is replaced by whom, and the lives of those who may be too old."""
        before = self.today.replace(year=self.today.year - OLDEST + 2, day=1)
        statement = _PEOPLE.format(table=table, tenant=session.side.tenant_id, before=before)
        for record, replacement, born, died in session.run(statement):
            if replacement is not None:
                self._replacements[record] = replacement
            if born is not None:
                self._lives[record] = born, died

    def find(self, record: str) -> Person:
        """Return the person of a patient's record."""
        root = self._root_of(record)
        days = self.fictions.days(root)
        return Person(root, days, self._capped_birth(record, days))

    def _root_of(self, record: str) -> str:
        seen = set()
        while record in self._replacements and record not in seen:
            seen.add(record)
            record = self._replacements[record]
        return min(seen | {record}) if record in seen else record

    def _capped_birth(self, record: str, days: int) -> dt.date | None:
        life = self._lives.get(record)
        if life is None:
            return None
        born, died = life
        shift = dt.timedelta(days=days)
        last = self.today if died is None else died - shift
        limit = dt.date(last.year - OLDEST, 1, 1)
        return limit if _age(born - shift, last) >= OLDEST else None


def _age(born: dt.date, on: dt.date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))
