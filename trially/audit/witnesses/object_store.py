"""A witness in an object store: S3, Google Cloud Storage, Azure or a compatible one.

Each object has the entries of consecutive seals, and is created but never replaced. Give the bucket
a retention lock (object lock in compliance mode), so that its owner cannot delete them either.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore

from trially.audit.witnesses.directory import file_name
from trially.audit.witnesses.entry import WitnessEntry, read_entries

SEALS_IN_FOLDER = 1000
"""The objects of as many seals are in one folder, so that the last one is found by short lists."""


class ObjectStoreWitness:
    """Creates one object for each run of the sealer."""

    is_removable = False

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store, self.name = store, name

    def last_number(self, log: str) -> int:
        """Return the number of the last seal that the witness has of a log; 0 if it has none."""
        listed = obstore.list_with_delimiter(self._store, f"{file_name(log)}/")
        folders = sorted(listed["common_prefixes"])
        paths = self._paths(f"{folders[-1]}/") if folders else []
        if not paths:
            return 0
        return max(each.number for each in self._read(paths[-1]))

    def append(self, log: str, entries: Sequence[WitnessEntry]) -> None:
        """Create an object with the entries. It stays as it is if another sealer created it."""
        for start in range(0, len(entries), SEALS_IN_FOLDER):
            part = entries[start : start + SEALS_IN_FOLDER]
            first = part[0].number
            path = f"{file_name(log)}/{first // SEALS_IN_FOLDER:012d}/{first:015d}.jsonl"
            content = b"".join(each.line for each in part)
            try:
                obstore.put(self._store, path, content, mode="create")
            except AlreadyExistsError:
                continue

    def entries(self, log: str) -> Iterator[WitnessEntry]:
        """Yield the entries of a log. Raises `InvalidEntryError`."""
        for path in self._paths(f"{file_name(log)}/"):
            yield from self._read(path)

    def remove(self, log: str) -> None:
        """Delete the objects of a log, unless their retention lock forbids it."""
        with suppress(BaseError):
            obstore.delete(self._store, self._paths(f"{file_name(log)}/"))

    def _paths(self, prefix: str) -> list[str]:
        pages = obstore.list(self._store, prefix)
        return sorted(each["path"] for page in pages for each in page)

    def _read(self, path: str) -> Iterator[WitnessEntry]:
        content = bytes(obstore.get(self._store, path).bytes())
        return read_entries(content, f"{self.name}/{path}")
