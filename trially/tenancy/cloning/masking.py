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


Rule = Callable[[str, Row, Person], str | None]
"""Returns the masked text of a value, given its row and the person whom the row is about."""


@dataclass(frozen=True)
class Masker:
    """Masks the rows of all tables of one clone."""

    tenant_id: str
    fictions: Fictions
    people: People
    moment: str
    """The time of the clone, which stands for all times of work."""

    def of_table(self, table: Table, stored: Sequence[str]) -> "TableMasker":
        """Return the masker of a table with these columns.

        Raises `UnclassifiedColumnError` for a column, or a rule, that is not known.
        """
        rules: dict[str, Rule] = {}
        for name in stored:
            if name == "tenant_id":
                rules[name] = lambda *_: self.tenant_id
                continue
            column = _known_class(table, name)
            if column.held not in _NOT_INSERTED:
                rules[name] = self._rule(table, name, column)
        return TableMasker(table.name, rules, _required(table), self.people)

    def _rule(self, table: Table, name: str, column: ColumnClass) -> Rule:
        fictions, kind, beside = self.fictions, column.rule, column.beside or ""
        match column.held:
            case Held.ID:
                return lambda value, _, __: fictions.uuid(value)
            case Held.TECHNICAL:
                return lambda value, _, __: _kept(table.name, name, value, column)
            case Held.NUMBER:
                return lambda value, _, __: value
            case Held.CODE:
                return lambda value, row, _: value if is_public(value, row.get(beside)) else None
            case Held.VALUE_SET:
                is_value = _SETS[kind]
                return lambda value, _, __: value if is_value(value) else None
            case Held.DATE:
                return lambda value, row, person: _shift(value, row.get(beside), person)
            case Held.MOMENT:
                return lambda *_: self.moment
            case Held.AGE:
                return lambda value, _, __: _young_enough(value)
            case Held.IDENTIFIER:
                return lambda value, _, person: fictions.identifier(kind, value, person.id)
            case Held.FREE_TEXT:
                return lambda *_: kind or None
            case Held.JSON:
                return lambda value, _, person: mask_object(kind, value, fictions, person.id)
            case Held.DIGEST:
                return lambda value, _, __: fictions.bytes_of(value)
        raise UnclassifiedColumnError(f"{table.name}.{name} is not a column that clones write.")


@dataclass(frozen=True)
class TableMasker:
    """Masks the rows of one table."""

    table: str
    rules: Mapping[str, Rule]
    """By column that the clone's rows get."""

    required: frozenset[str]
    people: People

    def mask(self, row: Row) -> Row | None:
        """Return a masked row, or None for a row that would have no meaning."""
        record = row.get("id" if self.table == "patient" else "patient_id")
        person = _NO_PERSON if record is None else self.people.find(record)
        masked: Row = {}
        for name, rule in self.rules.items():
            value = row.get(name)
            written = None if value is None else rule(value, row, person)
            if written is None and name in self.required:
                return None
            masked[name] = written
        _cap_age(self.table, masked, person)
        return masked


def _required(table: Table) -> frozenset[str]:
    return frozenset(column.name for column in table.columns if not column.nullable)


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


def _kept(table: str, name: str, value: str, column: ColumnClass) -> str:
    if column.values and value not in column.values:
        raise UnmaskableValueError(
            f"The tenant cannot be masked: a row of {table} has a {name} that this version"
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


def _cap_age(table: str, row: Row, person: Person) -> None:
    """Let nothing else say that a patient is older."""
    if table == "patient" and person.born is not None and row.get("birth_date"):
        row["birth_date"], row["birth_date_precision"] = person.born.isoformat(), "year"
    if table == "clinical_fact" and row.get("code") in AGE_CODES:
        number = row.get("value_number")
        if number is not None and float(number) >= OLDEST:
            row["value_number"] = str(OLDEST)


def texts_of(values: Sequence[Any]) -> list[bytes | None]:
    """Return values as COPY takes them."""
    return [None if each is None else each.encode() for each in values]
