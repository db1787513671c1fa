"""Mask the rows of a table: each column by its class, and no column without one."""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import String, Table

from trially.database.changes import is_about_patients
from trially.database.classes import ColumnClass, Held, class_of
from trially.tenancy.cloning.errors import UnclassifiedColumnError, UnmaskableValueError
from trially.tenancy.cloning.fictions import KINDS, Fictions
from trially.tenancy.cloning.objects import RULES, is_public, mask_object
from trially.tenancy.cloning.people import OLDEST, People, Person
from trially.value_sets import VALUE_SETS

Row = dict[str, str | None]
"""The texts of a row's values, as PostgreSQL writes them."""

_IDENTIFIER_TYPES = frozenset(
    "MR PI PN PT SS DL PPN TAX NI NPI MB MC MCN MCR MCD MA HC WC WCN SN PEN JHN NH CZ DR BC".split()  # noqa: SIM905
)
_USES = frozenset(
    "official usual maiden nickname old temp anonymous secondary billing home work".split()  # noqa: SIM905
)
_SETS: Mapping[str, Callable[[str], bool]] = {
    **VALUE_SETS,
    "identifier type": _IDENTIFIER_TYPES.__contains__,
    "use": _USES.__contains__,
}
_AGE = re.compile(r"P(\d+)([YM])", re.ASCII)
_MONTHS = {"Y": 12, "M": 1}
AGE_CODES = frozenset({"30525-0", "21612-7", "29553-5", "63900-5", "21611-9", "35659-2"})
"""LOINC codes of observations whose value is an age in years."""

_NOT_INSERTED = frozenset({Held.GIVEN, Held.SECRET, Held.DERIVED})
_NO_PERSON = Person("", 0)


@dataclass(frozen=True)
class Masker:
    """Masks the rows of all tables of one clone."""

    tenant_id: str
    fictions: Fictions
    people: People
    moment: str
    """The time of the clone, which stands for all times of work."""

    def columns(self, table: Table, stored: Sequence[str]) -> list[str]:
        """Return the columns that the clone's rows get from those that are stored.

        Raises `UnclassifiedColumnError` for a column, or a rule, that is not known.
        """
        kept = []
        for name in stored:
            held = None if name == "tenant_id" else _known_class(table, name)
            if held is None or held.held not in _NOT_INSERTED:
                kept.append(name)
        return kept

    def mask(self, table: Table, row: Row) -> Row | None:
        """Return a masked row, or None for a row that would have no meaning."""
        person = self._person_of(table, row)
        masked: Row = {}
        for name, value in row.items():
            if name == "tenant_id":
                masked[name] = self.tenant_id
                continue
            masked[name] = None if value is None else self._mask(table, name, value, row, person)
            if masked[name] is None and not table.c[name].nullable:
                return None
        _cap_age(table, masked, person)
        return masked

    def _mask(self, table: Table, name: str, value: str, row: Row, person: Person) -> str | None:
        column = _known_class(table, name)
        match column.held:
            case Held.ID:
                return self.fictions.uuid(value)
            case Held.TECHNICAL:
                return _kept(table, name, value, column)
            case Held.NUMBER:
                return value
            case Held.CODE:
                system = row.get(column.beside) if column.beside else None
                return value if is_public(value, system) else None
            case Held.VALUE_SET:
                return value if _SETS[column.rule](value) else None
            case Held.DATE:
                precision = row.get(column.beside) if column.beside else None
                return _shift(value, precision, person)
            case Held.MOMENT:
                return self.moment
            case Held.AGE:
                return _young_enough(value)
            case Held.IDENTIFIER:
                return self.fictions.identifier(column.rule, value, person.id)
            case Held.FREE_TEXT:
                return column.rule or None
            case Held.JSON:
                return mask_object(column.rule, value, self.fictions, person.id)
            case Held.DIGEST:
                return self.fictions.bytes_of(value)
        raise UnclassifiedColumnError(f"{table.name}.{name} is not a column that clones write.")

    def _person_of(self, table: Table, row: Row) -> Person:
        record = row.get("id" if table.name == "patient" else "patient_id")
        return _NO_PERSON if record is None else self.people.find(record)


def _known_class(table: Table, name: str) -> ColumnClass:
    """Return the class of a column, or raise `UnclassifiedColumnError`: nothing is guessed."""
    column = class_of(table, name)
    if column is None:
        problem = "has no class. Add it to `classify` of its model"
    elif column.held is Held.IDENTIFIER and column.rule not in KINDS:
        problem = f"is an identifier of an unknown kind, {column.rule!r}"
    elif column.held is Held.JSON and column.rule not in RULES:
        problem = f"has an unknown rule, {column.rule!r}"
    elif column.held is Held.VALUE_SET and column.rule not in _SETS:
        problem = f"has an unknown value set, {column.rule!r}"
    elif column.held is Held.DATE and not is_about_patients(table):
        problem = "is a date, and its row belongs to no patient"
    elif column.held is Held.TECHNICAL and _is_open(table, name, column):
        problem = "is a technical text, and its class does not list its values"
    else:
        return column
    raise UnclassifiedColumnError(f"The tenant cannot be masked: {table.name}.{name} {problem}.")


def _is_open(table: Table, name: str, column: ColumnClass) -> bool:
    return isinstance(table.c[name].type, String) and not column.values


def _kept(table: Table, name: str, value: str, column: ColumnClass) -> str:
    if column.values and value not in column.values:
        raise UnmaskableValueError(
            f"The tenant cannot be masked: a row of {table.name} has a {name} that this version"
            " does not know. Look for it with `flask tenants psql`."
        )
    return value


def _shift(value: str, precision: str | None, person: Person) -> str:
    """Return an earlier date. One of a month or year is the first day of it."""
    day, rest = dt.date.fromisoformat(value[:10]), value[10:]
    moved = person.shifted(day)
    if precision == "year":
        moved = moved.replace(month=1, day=1)
    elif precision == "month":
        moved = moved.replace(day=1)
    return moved.isoformat() + rest


def _young_enough(value: str) -> str | None:
    match = _AGE.fullmatch(value)
    if match is None:
        return None
    months = int(match[1]) * _MONTHS[match[2]]
    return value if months < OLDEST * 12 else f"P{OLDEST}Y"


def _cap_age(table: Table, row: Row, person: Person) -> None:
    """Let nothing else say that a patient is older."""
    if table.name == "patient" and person.born is not None and row.get("birth_date"):
        row["birth_date"], row["birth_date_precision"] = person.born.isoformat(), "year"
    if table.name == "clinical_fact" and row.get("code") in AGE_CODES:
        number = row.get("value_number")
        if number is not None and float(number) >= OLDEST:
            row["value_number"] = str(OLDEST)


def texts_of(values: Sequence[Any]) -> list[bytes | None]:
    """Return values as COPY takes them."""
    return [None if each is None else each.encode() for each in values]
