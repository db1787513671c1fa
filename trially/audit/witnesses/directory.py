"""A witness in a directory: a file for each log, with one entry on each line."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from trially.audit.witnesses.entry import WitnessEntry, read_entries

_TAIL = 65536


class DirectoryWitness:
    """Appends entries to files, and waits until they are on the disk.

    The files may be on another machine, or be append-only (`chattr +a`).
    """

    is_removable = True

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.name = f"file://{directory}"

    def last_number(self, log: str) -> int:
        """Return the number of the last seal that the witness has of a log; 0 if it has none."""
        try:
            with self._path(log).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                lines = file.read().splitlines(keepends=True)
        except FileNotFoundError:
            return 0
        whole = [line for line in lines if line.endswith(b"\n")]
        entries = list(read_entries(b"".join(whole[-1:]), str(self._path(log))))
        return entries[-1].number if entries else 0

    def append(self, log: str, entries: Sequence[WitnessEntry]) -> None:
        """Add entries that follow the last one. A line that a crash cut off is removed first."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with self._path(log).open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._remove_torn_line(file.fileno())
            known = self.last_number(log)
            new = [each for each in entries if each.number > known]
            file.write(b"".join(each.line for each in new))
            file.flush()
            os.fsync(file.fileno())

    def entries(self, log: str) -> Iterator[WitnessEntry]:
        """Yield the entries of a log. Raises `InvalidEntryError`."""
        path = self._path(log)
        if path.exists():
            yield from read_entries(path.read_bytes(), str(path))

    def remove(self, log: str) -> None:
        """Remove the file of a log."""
        self._path(log).unlink(missing_ok=True)

    def _path(self, log: str) -> Path:
        return self._directory / f"{file_name(log)}.jsonl"

    @staticmethod
    def _remove_torn_line(file: int) -> None:
        size = os.fstat(file).st_size
        tail = os.pread(file, _TAIL, max(0, size - _TAIL))
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            os.ftruncate(file, size - torn)


def file_name(log: str) -> str:
    """Return the name of a log as that of a file."""
    return log.replace(" ", "-")
