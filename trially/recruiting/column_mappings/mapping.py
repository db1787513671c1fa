"""Read a column mapping, and find everything that is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from trially.recruiting.column_mappings.code_systems import find_code_system
from trially.recruiting.column_mappings.notations import DateRules, check_notation
from trially.recruiting.column_mappings.problems import MappingError, Path, Problems
from trially.recruiting.column_mappings.table_fields import FIELDS, TableKind, has_field

LARGEST_MAPPING_BYTES = 2**18
MOST_ITEMS = 1_000
LONGEST_TEXT = 1_000
_KEYS = (
    "columns",
    "dates",
    "first_year",
    "decimal",
    "missing",
    "time_zone",
    "identifier_system",
    "code_system",
    "values",
)


@dataclass(frozen=True, kw_only=True)
class ColumnMapping:
    """How a source writes one kind of table."""

    columns: Mapping[str, str | int | None] = field(default_factory=dict)
    """Header, or number from 1, of the column of a field. None means that no column holds it."""
    dates: DateRules = field(default_factory=DateRules)
    decimal_mark: str | None = None
    missing: tuple[str, ...] | None = None
    """Cells that hold no value; None means the usual ones."""
    identifier_system: str | None = None
    """System of the record numbers."""
    code_system: str | None = None
    """System of codes in the field `code`, if the row names none."""
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By field: the words of the source, in lower case, and FHIR's codes for them."""


def read_mapping_file(path: FilePath, kind: TableKind) -> Mapping[str, Any]:
    """Return the mapping of a kind of table in a JSON file, ready to be stored."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MappingError([((), f"{path} cannot be read: {error.strerror}.")]) from error
    return read_mapping(content, kind)


def read_mapping(content: bytes, kind: TableKind) -> Mapping[str, Any]:
    """Return the mapping of a kind of table in JSON, which may have one for each kind.

    Raises `MappingError` if any part of the document is wrong.
    """
    if len(content) > LARGEST_MAPPING_BYTES:
        problem = f"The mapping is larger than {LARGEST_MAPPING_BYTES:,} bytes."
        raise MappingError([((), problem)])
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise MappingError([((), f"The mapping is not valid JSON: {error.msg}.")]) from None
    if isinstance(document, dict) and document and set(document) <= {*TableKind}:
        check_mappings(document)
        document = document.get(kind.value, {})
    build_mapping(document, kind)
    values: Mapping[str, Any] = document
    return values


def check_mappings(document: Mapping[str, Any]) -> None:
    """Raise `MappingError` if a mapping of a kind is wrong. The pointers begin with the kind."""
    problems = Problems()
    for name, values in document.items():
        if name in {*TableKind}:
            _Reader(TableKind(name), problems, (name,)).read(values)
        else:
            kinds = ", ".join(TableKind)
            problems.add((name,), f"There is no such kind of table. The kinds are {kinds}.")
    problems.check()


def build_mapping(document: object, kind: TableKind) -> ColumnMapping:
    """Return a mapping from the document of one kind. Raises `MappingError`."""
    problems = Problems()
    mapping = _Reader(kind, problems, ()).read(document)
    problems.check()
    return mapping


def read_zone(value: str | None) -> ZoneInfo | None:
    """Return a time zone by its IANA name; None if it has none. Raises `MappingError`."""
    if value is None:
        return None
    try:
        return ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        problem = f"The time zone {value!r} is unknown. Name one such as Europe/Berlin."
        raise MappingError([((), problem)]) from None


class _Reader:
    """Reads the mapping of one kind of table, and adds what is wrong to `problems`."""

    def __init__(self, kind: TableKind, problems: Problems, path: Path) -> None:
        self._kind = kind
        self._problems = problems
        self._path = tuple(path)

    def read(self, document: object) -> ColumnMapping:
        values = self._object(document)
        for name in values:
            if name not in _KEYS:
                self._add(f"There is no such setting. The settings are {', '.join(_KEYS)}.", name)
        return ColumnMapping(
            columns=self._columns(values.get("columns", {})),
            dates=self._date_rules(values),
            decimal_mark=self._decimal_mark(values.get("decimal")),
            missing=self._missing(values.get("missing")),
            identifier_system=self._text(values.get("identifier_system"), "identifier_system"),
            code_system=self._code_system(values.get("code_system")),
            values=self._words(values.get("values", {})),
        )

    def _add(self, sentence: str, *path: str | int) -> None:
        self._problems.add((*self._path, *path), sentence)

    def _object(self, value: object, *path: str | int) -> Mapping[str, Any]:
        if isinstance(value, dict) and len(value) <= MOST_ITEMS:
            return value
        self._add(f"It is not a JSON object, or has more than {MOST_ITEMS:,} members.", *path)
        return {}

    def _text(self, value: object, *path: str | int) -> str | None:
        is_text = isinstance(value, str) and value.strip() and len(value) <= LONGEST_TEXT
        if value is None or (isinstance(value, str) and is_text):
            return value
        self._add(f"It is not a text of 1 to {LONGEST_TEXT:,} characters.", *path)
        return None

    def _texts(self, value: object, name: str) -> Sequence[str]:
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or len(texts) > MOST_ITEMS:
            self._add(f"It is not a list of at most {MOST_ITEMS:,} texts.", name)
            return []
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                self._add("It is not a text.", name, number)
        return [text for text in texts if isinstance(text, str)]

    def _of_fields(self, value: object, name: str) -> Mapping[str, Any]:
        """Return an object whose members are fields of the table."""
        members = self._object(value, name)
        for each in members:
            if not has_field(self._kind, each):
                fields = ", ".join(sorted(field.name for field in FIELDS[self._kind]))
                self._add(
                    f"{self._kind} have no such field. Their fields are {fields}.", name, each
                )
        return {each: member for each, member in members.items() if has_field(self._kind, each)}

    def _columns(self, value: object) -> Mapping[str, str | int | None]:
        columns = self._of_fields(value, "columns")
        for name, column in columns.items():
            is_number = type(column) is int and column >= 1
            is_header = isinstance(column, str) and column.strip()
            if not (is_number or is_header or column is None):
                self._add("It is neither a header, a number from 1, nor null.", "columns", name)
        return columns

    def _date_rules(self, values: Mapping[str, Any]) -> DateRules:
        first_year = values.get("first_year")
        if first_year is not None and not (type(first_year) is int and 1800 <= first_year <= 2100):
            self._add("It is not a year from 1800 to 2100.", "first_year")
        notations = tuple(self._texts(values.get("dates", []), "dates"))
        for number, notation in enumerate(notations):
            if problem := check_notation(notation, first_year):
                self._add(f"The notation of dates {problem}.", "dates", number)
        name = self._text(values.get("time_zone"), "time_zone")
        try:
            return DateRules(notations, first_year, read_zone(name))
        except MappingError:
            self._add("The time zone is unknown. Name one such as Europe/Berlin.", "time_zone")
            return DateRules(notations, first_year)

    def _decimal_mark(self, value: object) -> str | None:
        if value is None or value in (",", "."):
            return str(value) if value else None
        self._add("It is neither ',' nor '.'.", "decimal")
        return None

    def _missing(self, value: object) -> tuple[str, ...] | None:
        return None if value is None else ("", *self._texts(value, "missing"))

    def _code_system(self, value: object) -> str | None:
        name = self._text(value, "code_system")
        system = find_code_system(name)
        if name is not None and system is None:
            self._add("The code system is unknown. Name its URL.", "code_system")
        return system

    def _words(self, value: object) -> Mapping[str, Mapping[str, str]]:
        return {
            name: {
                word.strip().casefold(): self._text(code, "values", name, word) or ""
                for word, code in self._object(codes, "values", name).items()
            }
            for name, codes in self._of_fields(value, "values").items()
        }
