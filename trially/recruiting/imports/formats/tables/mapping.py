"""Column mappings: which column of a source's tables holds which field, and how it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from trially.recruiting.imports.formats.code_systems import find_code_system
from trially.recruiting.imports.formats.tables.columns import FIELDS, TableKind
from trially.recruiting.imports.formats.tables.dates import DateRules, check_notation
from trially.recruiting.imports.reading.source_files import ImportSourceError

LARGEST_MAPPING_BYTES = 2**18
MOST_ITEMS = 1_000
DELIMITER_NAMES: Mapping[str, str | None] = {
    "auto": None,
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "pipe": "|",
}
DELIMITERS = tuple(sign for sign in DELIMITER_NAMES.values() if sign)
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


class MappingError(ImportSourceError):
    """A column mapping is wrong. The message is a sentence."""


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


def read_mapping_file(path: Path, kind: TableKind) -> Mapping[str, Any]:
    """Return the mapping of a kind of table in a JSON file, ready to be stored."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MappingError(f"{path} cannot be read: {error.strerror}.") from error
    return read_mapping(content, kind)


def read_mapping(content: bytes, kind: TableKind) -> Mapping[str, Any]:
    """Return the mapping of a kind of table in JSON, which may have one for each kind."""
    if len(content) > LARGEST_MAPPING_BYTES:
        raise MappingError(f"The mapping is larger than {LARGEST_MAPPING_BYTES} bytes.")
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise MappingError(f"The mapping is not valid JSON: {error.msg}.") from None
    values = _object(document, "The mapping")
    if values and set(values) <= {*TableKind}:
        values = _object(values.get(kind.value, {}), f"The mapping of {kind}")
    return values


def build_mapping(document: object, kind: TableKind) -> ColumnMapping:
    """Return a mapping from the document of one kind. Raises `MappingError`."""
    values = _object(document, "The mapping")
    unknown = sorted(set(values) - set(_KEYS))
    if unknown:
        raise MappingError(
            f"The mapping has no setting {unknown[0]!r}. It may have {', '.join(_KEYS)}."
        )
    fields = {each.name for each in FIELDS[kind]}
    return ColumnMapping(
        columns=_columns(values.get("columns", {}), fields, kind),
        dates=_date_rules(values),
        decimal_mark=_decimal_mark(values.get("decimal")),
        missing=_missing(values.get("missing")),
        identifier_system=_text(values.get("identifier_system"), "identifier_system"),
        code_system=_code_system(values.get("code_system")),
        values=_words(values.get("values", {}), fields, kind),
    )


def _object(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or len(value) > MOST_ITEMS:
        raise MappingError(f"{what} is not a JSON object, or has more than {MOST_ITEMS} members.")
    return value


def _text(value: object, name: str) -> str | None:
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    raise MappingError(f"The mapping's {name} is not a text.")


def _texts(value: object, name: str) -> Sequence[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise MappingError(f"The mapping's {name} is not a list of texts.")
    return texts


def _columns(value: object, fields: set[str], kind: TableKind) -> Mapping[str, str | int | None]:
    columns = _object(value, "The mapping's columns")
    _refuse_unknown(columns, fields, kind)
    for name, column in columns.items():
        is_number = type(column) is int and column >= 1
        if not (is_number or column is None or (isinstance(column, str) and column.strip())):
            raise MappingError(
                f"The mapping's column of {name} is neither a header, a number from 1, nor null."
            )
    return columns


def _refuse_unknown(names: Mapping[str, Any], fields: set[str], kind: TableKind) -> None:
    for name in names:
        if name not in fields:
            raise MappingError(
                f"{kind} have no field {name!r}. Their fields are {', '.join(sorted(fields))}."
            )


def _date_rules(values: Mapping[str, Any]) -> DateRules:
    first_year = values.get("first_year")
    if first_year is not None and not (type(first_year) is int and 1800 <= first_year <= 2100):
        raise MappingError("The mapping's first_year is not a year from 1800 to 2100.")
    notations = tuple(_texts(values.get("dates", []), "dates"))
    for notation in notations:
        if problem := check_notation(notation, first_year):
            raise MappingError(f"The notation of dates {notation!r} {problem}.")
    return DateRules(notations, first_year, read_zone(values.get("time_zone")))


def read_zone(value: object) -> ZoneInfo | None:
    """Return a time zone by its IANA name; None if it has none. Raises `MappingError`."""
    name = _text(value, "time_zone")
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise MappingError(
            f"The time zone {name!r} is unknown. Name one such as Europe/Berlin."
        ) from None


def _decimal_mark(value: object) -> str | None:
    if value is None or value in (",", "."):
        return str(value) if value else None
    raise MappingError("The mapping's decimal is neither ',' nor '.'.")


def _missing(value: object) -> tuple[str, ...] | None:
    return None if value is None else ("", *_texts(value, "missing"))


def _code_system(value: object) -> str | None:
    name = _text(value, "code_system")
    system = find_code_system(name)
    if name is not None and system is None:
        raise MappingError(f"The code system {name!r} is unknown. Name its URL.")
    return system


def _words(value: object, fields: set[str], kind: TableKind) -> Mapping[str, Mapping[str, str]]:
    words = _object(value, "The mapping's values")
    _refuse_unknown(words, fields, kind)
    return {
        name: {
            word.strip().casefold(): str(_text(code, f"value of {name}"))
            for word, code in _object(codes, f"The mapping's values of {name}").items()
        }
        for name, codes in words.items()
    }
