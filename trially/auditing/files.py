"""Answers as files: CSV and NDJSON of any length, written before the first byte is sent.

The file is written inside the request's transaction. So the record of the request names all that
the file shows, and the file is sent only after the record was written. A large file is on disk
(without a name), so the memory that an answer takes is constant.
"""

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import urlencode

import orjson
from flask import Response, request

from trially.database.rows import Item

CSV_TYPE, NDJSON_TYPE = "text/csv", "application/x-ndjson"

MOST_ROWS = 50_000
MOST_BYTES = 100_000_000
"""A file ends after so many rows or bytes. `Link: <…>; rel="next"` names the rest."""

IN_MEMORY = 1_000_000
_BLOCK = 65_536
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would run a cell that begins so."""

Writer = Callable[[IO[bytes], Iterable[Item]], None]


def file_response(
    rows: Iterable[Item], write: Writer, media_type: str, next_page: Callable[[Item], str]
) -> Response:
    """Return the answer that sends the rows as a file.

    `next_page` returns the URL of the rows after the last one that the file has.
    """
    cut = Cut()
    content = spool(lambda target: write(target, cut.off(rows, target)))
    length = content.seek(0, os.SEEK_END)
    content.seek(0)
    response = Response(_blocks(content), mimetype=media_type, direct_passthrough=True)
    response.headers["Content-Disposition"] = "attachment"
    response.content_length = length
    response.call_on_close(content.close)
    if cut.is_made and cut.last is not None:
        response.headers["Link"] = f'<{next_page(cut.last)}>; rel="next"'
    return response


def spool(write: Callable[[IO[bytes]], None]) -> IO[bytes]:
    """Let a function write a file without a name, and return the file, to be read and closed."""
    content: IO[bytes] = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - who reads it closes it
    try:
        write(content)
    except BaseException:
        content.close()
        raise
    content.seek(0)
    return content


class Cut:
    """Where rows end because a file has enough of them."""

    def __init__(self) -> None:
        self.is_made = False
        """More rows follow that the file does not have."""

        self.last: Item | None = None
        """The last row that the file has."""

    def off(self, rows: Iterable[Item], content: IO[bytes]) -> Iterator[Item]:
        """Yield rows until the file has enough."""
        for number, row in enumerate(rows):
            if number >= MOST_ROWS or content.tell() >= MOST_BYTES:
                self.is_made = True
                return
            self.last = row
            yield row


def write_ndjson(content: IO[bytes], rows: Iterable[Item]) -> None:
    """Write each row as a line of JSON."""
    for row in rows:
        content.write(orjson.dumps(row, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))


def csv_writer(flatten: Callable[[Item], dict[str, Any]], names: Iterable[str]) -> Writer:
    """Return a function that writes rows as CSV (RFC 4180); `flatten` returns a row's cells."""
    columns = list(names)

    def write(content: IO[bytes], rows: Iterable[Item]) -> None:
        content.write(_line(columns))
        for row in rows:
            cells = flatten(row)
            content.write(_line([safe_cell(cells[name]) for name in columns]))

    return write


def safe_cell(value: Any) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, dict | list):
        value = orjson.dumps(value, option=orjson.OPT_UTC_Z).decode() if value else ""
    written = str(value)
    return f"'{written}" if written.startswith(_FORMULA) else written


def url_of(**changes: str) -> str:
    """Return the URL of the current request with other query parameters, as a path."""
    parameters = {**request.args.to_dict(), **changes}
    return f"{request.script_root}{request.path}?{urlencode(parameters)}"


def _line(cells: Iterable[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


def _blocks(content: IO[bytes]) -> Iterator[bytes]:
    with content:
        while block := content.read(_BLOCK):
            yield block
