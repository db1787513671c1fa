"""Decide how a table is read: its encoding, delimiter, decimal mark and columns."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from zoneinfo import ZoneInfo

from trially.recruiting.column_mappings.mapping import ColumnMapping
from trially.recruiting.column_mappings.table_fields import (
    CUSTOM_FIELD,
    REQUIRED,
    TableKind,
    guess_field,
)
from trially.recruiting.custom_fields.choices import CustomType
from trially.recruiting.custom_fields.values import Definition
from trially.recruiting.imports.formats.tables.rows import RowError, read_rows
from trially.recruiting.imports.formats.tables.values import DecimalMark, decimal_mark_of
from trially.recruiting.imports.formats.text_files import (
    Encoding,
    TextFileError,
    codec_of,
    open_content,
    read_lines,
)
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.source_files import SourceFile

DELIMITER_NAMES: Mapping[str, str | None] = {
    "auto": None,
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "pipe": "|",
}
DELIMITERS = tuple(sign for sign in DELIMITER_NAMES.values() if sign)
_NUMBER_FIELDS = ("value", "low", "high")


class PlanError(TextFileError):
    """A table cannot be imported. The message is a sentence."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its number from 1, header, and the field that it holds."""

    number: int
    header: str
    field: str | None
    reason: str
    """`mapping`, `header`, or why the column is ignored."""


@dataclass(frozen=True)
class TableOptions:
    """What a person says about tables."""

    kind: TableKind
    mapping: ColumnMapping = field(default_factory=ColumnMapping)
    encoding: Encoding = Encoding.AUTO
    delimiter: str | None = None
    """None: the most frequent delimiter of the header."""
    version_zone: ZoneInfo | None = None
    """Zone of the versions of rows, unless the mapping names one."""
    custom: Mapping[str, Definition] = field(default_factory=dict)
    """The tenant's own fields of patients, by `custom.NAME`."""

    def meaning(self, header: str) -> str | None:
        """Return the field that a header certainly means, or None."""
        return header if header in self.custom else guess_field(header, self.kind)

    def takes(self, name: str) -> bool:
        """Return whether a custom field takes new values."""
        return name in self.custom and not self.custom[name].is_archived

    def is_number(self, name: str | None) -> bool:
        """Return whether a field holds numbers, which may have a decimal comma."""
        custom = self.custom.get(name or "")
        return name in _NUMBER_FIELDS or (custom is not None and custom.type is CustomType.NUMBER)


@dataclass(frozen=True)
class TablePlan:
    """How one table is read."""

    options: TableOptions
    file: str
    codec: str
    delimiter: str
    header_line: int
    columns: Sequence[Column]
    decimal_mark: DecimalMark
    problems: Sequence[str]
    """Sentences about what prevents an import."""

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Positions, from 0, of the columns that hold fields."""
        return {column.field: column.number - 1 for column in self.columns if column.field}

    @property
    def refusal(self) -> str:
        """The sentences about what prevents an import."""
        return f"{self.file} cannot be imported. {' '.join(self.problems)}"

    def check(self) -> None:
        """Raise `PlanError` if the columns are not certain."""
        if self.problems:
            raise PlanError(self.refusal)


def plan_table(source_file: SourceFile, options: TableOptions, limits: ImportLimits) -> TablePlan:
    """Return how a table is read. The file is read twice. Raises `TextFileError`."""
    meter = InputMeter(limits)
    codec = "utf-8-sig"
    for content in open_content(source_file, meter):
        codec = codec_of(content, options.encoding)
        while content.read(2**20):
            pass
    for content in open_content(source_file, meter):
        lines = read_lines(content, codec, limits.most_line_bytes)
        return _plan(source_file.name, lines, codec, options, meter)
    raise PlanError(f"{source_file.name} is empty.")


def _plan(
    name: str,
    lines: Iterator[str | None],
    codec: str,
    options: TableOptions,
    meter: InputMeter,
) -> TablePlan:
    skipped, header, delimiter = _find_header(name, lines, options.delimiter)
    rows = read_rows(_chain(header, lines), delimiter, meter.limits.most_line_bytes)
    for number, cells in rows:
        if isinstance(cells, RowError):
            raise PlanError(f"The header of {name} cannot be read. {cells}")
        columns, problems = _assign(cells, options)
        positions = [each.number - 1 for each in columns if options.is_number(each.field)]
        mark = _find_decimal_mark(options.mapping, rows, positions, meter)
        return TablePlan(options, name, codec, delimiter, skipped + number, columns, mark, problems)
    raise PlanError(f"{name} is empty.")


def _find_header(
    name: str, lines: Iterator[str | None], delimiter: str | None
) -> tuple[int, str, str]:
    """Return the number of lines before the header, the header, and the delimiter.

    Excel writes `sep=;` into the first line.
    """
    for number, line in enumerate(lines):
        text = (line or "").strip("\ufeff\r\n")
        if text.lower().startswith("sep=") and len(text) <= len("sep=") + 1:
            delimiter = delimiter or text[len("sep=") :] or "\t"
        elif text.strip():
            assert line is not None  # noqa: S101
            return number, line, delimiter or _guess_delimiter(name, text)
    raise PlanError(f"{name} is empty.")


def _guess_delimiter(name: str, header: str) -> str:
    unquoted = "".join(header.split('"')[::2])
    counts = Counter(character for character in unquoted if character in DELIMITERS)
    ranked = counts.most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        raise PlanError(f"The delimiter of {name} is not certain. Name it with --delimiter.")
    return ranked[0][0]


def _chain(first: str, rest: Iterator[str | None]) -> Iterator[str | None]:
    yield first
    yield from rest


def _assign(headers: list[str], options: TableOptions) -> tuple[list[Column], list[str]]:
    """Return the columns with their fields, and what prevents an import."""
    names = [header.strip().strip("\ufeff") for header in headers]
    mapped, problems = _find_mapped(names, options)
    declared = options.mapping.columns
    guesses = [options.meaning(name) for name in names]
    numbers = Counter(
        guess
        for position, guess in enumerate(guesses)
        if guess and guess not in declared and position not in mapped
    )
    columns = []
    for position, (name, guess) in enumerate(zip(names, guesses, strict=True)):
        target, reason = mapped.get(position), "mapping"
        if target is None:
            reason = "not recognised"
            if guess and guess in declared:
                reason = f"the mapping names another column of {guess}"
            elif guess and numbers[guess] > 1:
                reason = f"{numbers[guess]} columns may be {guess}"
            elif guess:
                target, reason = guess, "header"
        columns.append(Column(position + 1, name, target, reason))
    problems += [
        f"{number} columns may be {guess}. Name one in the mapping."
        for guess, number in numbers.items()
        if number > 1
    ]
    found = {column.field for column in columns}
    problems += [
        f"{column.field} cannot be imported: there is no such custom field, or it is archived."
        for column in columns
        if column.field and CUSTOM_FIELD.fullmatch(column.field) and not options.takes(column.field)
    ]
    problems += [
        f"No column holds {' or '.join(group)}. Name one in the mapping."
        for group in REQUIRED[options.kind]
        if not found & set(group) and not any(numbers[each] > 1 for each in group)
    ]
    return columns, problems


def _find_mapped(names: list[str], options: TableOptions) -> tuple[dict[int, str], list[str]]:
    """Return the fields of the columns that the mapping names, by the positions of the columns."""
    mapped: dict[int, str] = {}
    problems = []
    for target, column in options.mapping.columns.items():
        if column is None:
            continue
        if isinstance(column, int):
            positions = [column - 1] if column <= len(names) else []
        else:
            positions = [number for number, name in enumerate(names) if name == column.strip()]
        if len(positions) != 1:
            problem = "has several columns" if positions else "has no column"
            problems.append(f"The table {problem} that the mapping names for {target}.")
        elif positions[0] in mapped:
            problems.append(
                f"The mapping names one column for {mapped[positions[0]]} and {target}."
            )
        else:
            mapped[positions[0]] = target
    return mapped, problems


def _find_decimal_mark(
    mapping: ColumnMapping,
    rows: Iterator[tuple[int, list[str] | RowError]],
    positions: list[int],
    meter: InputMeter,
) -> DecimalMark:
    """Return the declared decimal mark, or whether any number of the table has a decimal comma."""
    if mapping.decimal_mark is not None:
        return DecimalMark.COMMA if mapping.decimal_mark == "," else DecimalMark.DOT
    for _, cells in rows if positions else ():
        meter.check_time()
        if not isinstance(cells, RowError):
            texts = (cells[number].strip() for number in positions if number < len(cells))
            if any(decimal_mark_of(text) == "," for text in texts):
                return DecimalMark.UNDECLARED_COMMA
    return DecimalMark.UNDECLARED_DOT
