"""What each column of a tenant's table holds, as exports and masked clones have to know it.

Each model declares the class of each of its columns. `tests/database/test_classes.py` fails for a
column without one, and a masked clone does not begin.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from sqlalchemy import Table

from trially.database.model import TenantModel

_classes: dict[str, Mapping[str, "ColumnClass"]] = {}
_copied: dict[str, "Copied"] = {}
_INHERITED = ("tenant_id", "created_at", "updated_at", "version")
"""Columns whose class follows from their name: they are given to each row anew."""


class Held(StrEnum):
    """The class of a column: what it holds, and so what a masked clone makes of it."""

    ID = "id"
    """A UUID that trially gave. Each becomes another one, the same wherever it is referred to."""

    TECHNICAL = "technical"
    """A flag, or one of the values that the class lists. Kept. Another value stops the clone."""

    NUMBER = "number"
    """A measured or counted number. Kept."""

    CODE = "code"
    """A code that a source chose. Kept if it has the form of a public code system."""

    VALUE_SET = "value_set"
    """A text that a source chose. Kept if it is in a set of `trially.value_sets`."""

    DATE = "date"
    """A date in a patient's life. Shifted by the patient's number of days."""

    MOMENT = "moment"
    """When trially or a source did something. Many rows share it, so it would disclose the shift
    of the dates. Becomes the time of the clone."""

    AGE = "age"
    """An age as a duration. At most 90 years."""

    IDENTIFIER = "identifier"
    """Identifies a person, an organisation or a record. Becomes a fictitious value of its kind."""

    FREE_TEXT = "free_text"
    """A text that may say anything. Removed; if its absence means something, it is `removed`."""

    JSON = "json"
    """An object with a rule of its own for each key. All other keys are removed."""

    DIGEST = "digest"
    """A digest of values. Becomes another one: who knows the values could confirm them."""

    SECRET = "secret"  # noqa: S105
    """A key or a salt. The clone gets its own. Never exported."""

    GIVEN = "given"
    """A value that the database gives to each new row."""

    DERIVED = "derived"
    """Follows from other columns. Removed, or computed again."""


class Copied(StrEnum):
    """Whether a clone gets the rows of a table."""

    ALWAYS = "always"
    UNMASKED = "unmasked"
    """Only if it is not masked. A masked clone derives the rows again, or has none."""

    NEVER = "never"
    """The rows belong to the tenant itself: its members, its audit log, its jobs."""


@dataclass(frozen=True)
class ColumnClass:
    """The class of a column, and what its rule needs to know."""

    held: Held
    rule: str = ""
    """The kind of identifier, the value set, or the rule of a JSON column."""

    beside: str | None = None
    """The column of the same row with the code's system, or with the date's precision."""

    values: frozenset[str] = frozenset()
    """The values of a technical text."""


_WITHOUT_MODEL: Mapping[str, Copied] = {"canary": Copied.NEVER}
"""Tables whose models the app does not import: `flask tenants prove` writes this one."""


def choice(*values: Iterable[str]) -> ColumnClass:
    """Return the class of a technical text with one of these values."""
    return ColumnClass(Held.TECHNICAL, values=frozenset(map(str, chain(*values))))


def code(system: str | None = None) -> ColumnClass:
    """Return the class of a code whose system is in another column."""
    return ColumnClass(Held.CODE, beside=system)


def one_of(value_set: str) -> ColumnClass:
    """Return the class of a text of a value set."""
    return ColumnClass(Held.VALUE_SET, value_set)


def date(precision: str | None = None) -> ColumnClass:
    """Return the class of a date whose precision is in another column."""
    return ColumnClass(Held.DATE, beside=precision)


def identifier(kind: str) -> ColumnClass:
    """Return the class of an identifier of a kind: see `tenancy/cloning/fictions.py`."""
    return ColumnClass(Held.IDENTIFIER, kind)


def json_of(rule: str) -> ColumnClass:
    """Return the class of a JSON column with a rule of `tenancy/cloning/objects.py`."""
    return ColumnClass(Held.JSON, rule)


REMOVED = ColumnClass(Held.FREE_TEXT)
MARKED_REMOVED = ColumnClass(Held.FREE_TEXT, "removed")
"""A free text whose absence has a meaning of its own."""


def classify(
    model: type[TenantModel],
    classes: Mapping[Held | ColumnClass, str],
    copied: Copied = Copied.ALWAYS,
) -> None:
    """Declare the class of each column: the names of the columns of a class, with blanks.

    Raises `ValueError` for a name that is no column, or that has two classes.
    """
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101
    found: dict[str, ColumnClass] = {
        name: ColumnClass(Held.GIVEN) for name in _INHERITED if name in table.c
    }
    found["id"] = ColumnClass(Held.ID)
    for held, names in classes.items():
        for name in names.split():
            if name not in table.c or name in found:
                raise ValueError(f"{table.name}.{name} is no column, or has two classes.")
            found[name] = held if isinstance(held, ColumnClass) else ColumnClass(held)
    _classes[table.name], _copied[table.name] = found, copied


def class_of(table: Table, column: str) -> ColumnClass | None:
    """Return the class of a column, or None if none is declared."""
    return _classes.get(table.name, {}).get(column)


def copied_to_clones(table: str) -> Copied | None:
    """Return whether clones get the rows of a table, or None if that is not declared."""
    return _WITHOUT_MODEL.get(table, _copied.get(table))


def unclassified(table: Table) -> list[str]:
    """Return the columns of a table without a class."""
    return [
        f"{table.name}.{column.name}"
        for column in table.columns
        if class_of(table, column.name) is None
    ]
