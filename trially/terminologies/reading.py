"""Files of terminologies: lines with their numbers, tables by the names of their columns."""

import bz2
import csv
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import IO, BinaryIO, NoReturn, cast

from trially.errors import OperatorError

Watch = Callable[[int], None]
"""Is called with the number of bytes that were read since the last call."""

LINES_BETWEEN_CALLS = 10_000
LONGEST_LINE = 1_000_000
"""Characters of a line or CSV field. The longest known ones are lists of LOINC's related names."""

csv.field_size_limit(LONGEST_LINE)


class TerminologyFileError(OperatorError):
    """A file of a terminology cannot be read. The message names the file and the line."""


class InputFile:
    """A file of a terminology, which may be compressed with gzip, xz or bzip2."""

    def __init__(self, path: Path, watch: Watch = lambda _bytes: None) -> None:
        self.path = path
        self.line = 0
        """The number of the line that was read last."""
        self._watch = watch
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> str:
        """The SHA-256 of what was read, in hexadecimal digits."""
        return self._digest.hexdigest()

    def refuse(self, detail: str) -> NoReturn:
        """Raise `TerminologyFileError` about the line that was read last."""
        place = f"{self.path}, line {self.line}" if self.line else str(self.path)
        raise TerminologyFileError(f"{place}: {detail}")

    def lines(self) -> Iterator[str]:
        """Yield the lines without their ends, from the first one."""
        self.line, self._digest = 0, hashlib.sha256()
        try:
            with self.path.open("rb") as packed, _unpacked(self.path, packed) as raw:
                yield from self._decoded(raw, packed)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            self.refuse(f"The file cannot be read: {getattr(error, 'strerror', None) or error}.")

    def _decoded(self, raw: Iterable[bytes], packed: BinaryIO) -> Iterator[str]:
        position = 0
        for number, line in enumerate(raw, 1):
            self.line = number
            self._digest.update(line)
            if len(line) > LONGEST_LINE:
                self.refuse(f"The line is longer than {LONGEST_LINE} bytes.")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                self.refuse("The line is not UTF-8.")
            if "\0" in text:
                self.refuse("The line has a NUL, so this is no text file.")
            yield text.rstrip("\r\n")
            if number % LINES_BETWEEN_CALLS == 0:
                position = self._report(packed, position)
        self._report(packed, position)

    def _report(self, packed: BinaryIO, position: int) -> int:
        reached = packed.tell()
        self._watch(reached - position)
        return reached

    def header(self, delimiter: str) -> list[str]:
        """Return the fields of the first line."""
        line = next(self.lines(), None)
        if line is None:
            self.refuse("The file is empty.")
        return next(csv.reader([line])) if delimiter == "," else line.split(delimiter)

    def table(self, delimiter: str, *names: str) -> Iterator[Sequence[str]]:
        """Yield the named columns of each row, of a table whose first line names its columns.

        Fields of a table with commas may be quoted. Those of other tables are taken as they are.
        """
        rows = self._csv() if delimiter == "," else (x.split(delimiter) for x in self.lines())
        header = next(rows, None)
        if header is None:
            self.refuse("The file is empty.")
        if missing := [name for name in names if name not in header]:
            self.refuse(f"The column '{missing[0]}' is missing.")
        chosen = itemgetter(*(header.index(name) for name in names))
        for row in rows:
            self._check_width(row, len(header))
            yield chosen(row)

    def columns(self, delimiter: str, width: int, *numbers: int) -> Iterator[Sequence[str]]:
        """Yield the columns with these numbers, of a table without a line of names."""
        chosen = itemgetter(*numbers)
        for line in self.lines():
            row = line.split(delimiter)
            self._check_width(row, width)
            yield chosen(row)

    def _check_width(self, row: Sequence[str], width: int) -> None:
        if len(row) != width:
            self.refuse(f"The line has {len(row)} columns instead of {width}.")

    def _csv(self) -> Iterator[list[str]]:
        # The reader needs the ends of lines, because quoted fields may have some.
        reader = csv.reader((f"{line}\n" for line in self.lines()), strict=True)
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:
                self.refuse(f"The line is no CSV: {error}.")
            if row is None:
                return
            yield row


def _unpacked(path: Path, packed: BinaryIO) -> IO[bytes]:
    if path.suffix == ".gz":
        return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=packed, mode="rb")))
    if path.suffix == ".xz":
        return lzma.LZMAFile(packed)
    if path.suffix == ".bz2":
        return bz2.BZ2File(packed)
    return packed
