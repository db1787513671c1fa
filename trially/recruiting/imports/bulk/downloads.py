"""Download the files of an export into a private folder, and continue interrupted downloads."""

import gzip
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import BinaryIO, cast

from trially.recruiting.imports.bulk.connections import CONNECTION_ERRORS
from trially.recruiting.imports.bulk.errors import BulkError, StatusError
from trially.recruiting.imports.bulk.exports import ExportClient, ExportFile, Report
from trially.recruiting.imports.bulk.retrying import BUSY_STATUSES, MOST_FAILURES

CHUNK_BYTES = 2**18
_GZIP = b"\x1f\x8b"
EXPIRED_STATUSES = frozenset({401, 403, 404, 410})


class LinkExpiredError(BulkError):
    """The URL of a file is no longer valid. The export's status may name a new one."""


class CountError(BulkError):
    """A file does not have as many resources as the manifest says."""


class Folder:
    """The folder of one export. Only the user of this process may read it."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path = path
        self._most_bytes = most_bytes

    def create(self) -> None:
        """Create the folder."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.chmod(0o700)

    def remove(self) -> None:
        """Delete the folder with all files."""
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, number: int, file: ExportFile) -> Path:
        """Return the path of a whole file, which is named after its type."""
        return self.path / f"{file.type}.{file.list}.{number:05d}.ndjson"

    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(each.stat().st_size for each in self.path.iterdir())

    def check_size(self, size: int) -> None:
        """Raise `BulkError` if the folder must not become as large as `size`."""
        if size > self._most_bytes:
            raise BulkError(
                f"The export is larger than TRIALLY_MAX_BULK_BYTES, {self._most_bytes:,} bytes."
            )


class Downloader:
    """Downloads files, and keeps whole files in case the command is run again."""

    def __init__(self, client: ExportClient, folder: Folder, *, needs_token: bool) -> None:
        self._client = client
        self._folder = folder
        self._needs_token = needs_token

    def download(self, files: Sequence[ExportFile], report: Report) -> list[Path]:
        """Return the paths of the files. Raises `LinkExpiredError` if a URL has expired."""
        paths = []
        for number, file in enumerate(files):
            path = self._folder.file(number, file)
            if not path.exists():
                report(f"file {number + 1} of {len(files)}, {file.type}")
                self._download(file, path)
            paths.append(path)
        return paths

    def _download(self, file: ExportFile, path: Path) -> None:
        part = path.with_suffix(".part")
        for attempt in range(2):
            self._fetch(file, part)
            found = _count_lines(part)
            if found is not None and file.count in (None, found):
                part.rename(path)
                return
            part.unlink()
            if attempt:
                raise CountError(_describe_incomplete(file, found))

    def _fetch(self, file: ExportFile, part: Path) -> None:
        """Fetch a file to its end, and continue where a connection broke."""
        failures = 0
        while True:
            before, cause, retry_after = _size(part), "", None
            try:
                is_complete, retry_after = self._fetch_part(file, part, is_first=not failures)
                if is_complete:
                    _validator_of(part).unlink(missing_ok=True)
                    return
            except CONNECTION_ERRORS as error:
                cause = f": {error}"
            failures = 1 if _size(part) > before else failures + 1
            if failures >= MOST_FAILURES:
                raise BulkError(f"A file of {file.type} cannot be downloaded{cause}.")
            self._client.pauses.wait(failures - 1, retry_after)

    def _fetch_part(
        self, file: ExportFile, part: Path, *, is_first: bool
    ) -> tuple[bool, str | None]:
        """Append what a request gives; return whether that is the end, and Retry-After.

        Without an ETag or date, the file is downloaded again, because it may be another one.
        """
        saved = _validator_of(part)
        validator, encoding = _read_saved(saved)
        start = _size(part) if validator else 0
        headers = {"Accept": "application/fhir+ndjson", "Accept-Encoding": "gzip"}
        headers |= self._client.authorization(needs_token=self._needs_token)
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": validator}
        with self._client.connector.open(file.url, headers) as response:
            status = response.status
            if status in BUSY_STATUSES:
                return False, response.headers.get("Retry-After")
            if status == 416 or (status == 206 and not _continues(response, start, encoding)):
                saved.unlink(missing_ok=True)
                return False, None
            if status == 401 and is_first and self._client.tokens is not None:
                self._client.tokens.reject()
                return False, "0"
            if status in EXPIRED_STATUSES:
                raise LinkExpiredError(f"The URL of a file of {file.type} is no longer valid.")
            if status not in (200, 206):
                raise StatusError(f"The request for a file of {file.type}", status)
            if status == 200:
                saved.write_text(f"{_read_validator(response)}\n{_encoding_of(response)}")
            self._write(response, part, is_new=status == 200)
            return True, None

    def _write(self, response: HTTPResponse, part: Path, *, is_new: bool) -> None:
        expected, received = response.length, 0
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if is_new else os.O_APPEND)
        with os.fdopen(os.open(part, flags, 0o600), "wb") as target:
            size = self._folder.size()
            self._folder.check_size(size + (expected or 0))
            while chunk := response.read1(CHUNK_BYTES):
                received += len(chunk)
                self._folder.check_size(size + received)
                target.write(chunk)
        if expected is not None and received < expected:
            raise ConnectionError("The connection ended before the end of the file.")


def _describe_incomplete(file: ExportFile, found: int | None) -> str:
    if found is None:
        return (
            f"A file of {file.type} is compressed, and damaged: the server's file is not complete."
        )
    return (
        f"A file of {file.type} has {found:,} resources, and the manifest counts {file.count:,}:"
        " the server's file is not complete."
    )


def _validator_of(part: Path) -> Path:
    """Return the path of the ETag or date with which a part of a file was received."""
    return part.with_suffix(".validator")


def _read_validator(response: HTTPResponse) -> str:
    tag = response.headers.get("ETag") or ""
    return response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _read_saved(saved: Path) -> tuple[str, str]:
    """Return the validator and the encoding with which a part of a file was received."""
    text = saved.read_text() if saved.exists() else ""
    validator, _, encoding = text.partition("\n")
    return validator, encoding


def _encoding_of(response: HTTPResponse) -> str:
    return (response.headers.get("Content-Encoding") or "").lower()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _continues(response: HTTPResponse, start: int, encoding: str) -> bool:
    """Return whether a partial answer goes on where a file of this encoding ends."""
    content_range = response.headers.get("Content-Range") or ""
    return content_range.startswith(f"bytes {start}-") and _encoding_of(response) == encoding


@contextmanager
def open_lines(path: Path) -> Iterator[BinaryIO]:
    """Open a downloaded file, which its server may have compressed with gzip."""
    with path.open("rb") as file:
        is_packed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        yield cast("BinaryIO", gzip.GzipFile(fileobj=file)) if is_packed else file


def _count_lines(path: Path) -> int | None:
    """Return the number of lines that are not blank; None if the file is damaged."""
    try:
        with open_lines(path) as file:
            return sum(1 for line in file if not line.isspace())
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return None
