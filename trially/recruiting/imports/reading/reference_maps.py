"""Map the full URLs of a Bundle's entries to references of the form `Type/id`."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from trially.recruiting.imports.urns import id_of_urn
from trially.recruiting.sources.server_urls import base_of

Json = dict[str, Any]
CACHE_KIB = 8_192
"""What SQLite keeps of a large map in memory. The rest is in a file without a name."""


class ReferenceMap(Protocol):
    """The references of a Bundle's entries by their full URLs, as `reference_key` writes them."""

    def get(self, key: str, default: str, /) -> str:
        """Return the reference of an entry, or the default."""


def reference_key(url: str) -> str:
    """Return a URL without a version. The case of a URN does not matter."""
    url = url.partition("/_history/")[0]
    return url.lower() if url[:4].lower() == "urn:" else url


def find_references(entries: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Yield the key of each entry that has a full URL, and its reference."""
    for entry in entries:
        if type(entry) is dict and type(entry.get("resource")) is dict:
            resource, url = entry["resource"], entry.get("fullUrl")
            kind, resource_id = resource.get("resourceType"), find_id(resource, entry)
            if type(url) is str and type(kind) is str and resource_id:
                key = reference_key(url)
                base_url = base_of(url, kind)
                yield (
                    key,
                    f"{base_url}/{kind}/{resource_id}" if base_url else f"{kind}/{resource_id}",
                )


def find_id(resource: Json, entry: Json) -> str | None:
    """Return the resource's id, or else the id in the entry's URL."""
    if resource.get("id") is not None:
        resource_id = resource["id"]
        return resource_id if type(resource_id) is str else None
    url = entry.get("fullUrl")
    if type(url) is str and url[:4].lower() == "urn:":
        return id_of_urn(url)
    request = entry.get("request")
    if type(url) is not str and type(request) is dict and request.get("method") == "PUT":
        url = request.get("url")
    if type(url) is not str or "?" in url:
        return None
    kind, _, resource_id = url.partition("/_history/")[0].rpartition("/")
    return resource_id if kind.rpartition("/")[2] == resource.get("resourceType") else None


def resolve_references(resource: Json, references: ReferenceMap) -> None:
    """Replace each reference to another entry of the Bundle by `Type/id`."""
    pending: list[Any] = [resource]
    while pending:
        node = pending.pop()
        if type(node) is list:
            pending.extend(item for item in node if type(item) is dict or type(item) is list)
            continue
        for key, value in node.items():
            if type(value) is dict or type(value) is list:
                pending.append(value)
            elif type(value) is str and (
                # Attachments have the URL of a Binary.
                key == "reference" or (key == "url" and value[:4].lower() == "urn:")
            ):
                node[key] = references.get(reference_key(value), value)


@contextmanager
def large_reference_map() -> Iterator["LargeReferenceMap"]:
    """Yield an empty map that holds little of itself in memory."""
    connection = sqlite3.connect("", isolation_level=None)  # a temporary database without a name
    try:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute(
            "CREATE TABLE reference (url TEXT PRIMARY KEY, target TEXT) WITHOUT ROWID"
        )
        connection.execute("BEGIN")
        yield LargeReferenceMap(connection)
    finally:
        connection.close()


class LargeReferenceMap:
    """The references of a Bundle with very many entries."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, references: Iterable[tuple[str, str]]) -> None:
        """Add references. Of two entries with one URL, the last counts."""
        statement = "INSERT OR REPLACE INTO reference VALUES (?, ?)"
        self._connection.executemany(statement, references)

    def get(self, key: str, default: str, /) -> str:
        """Return the reference of an entry, or the default."""
        statement = "SELECT target FROM reference WHERE url = ?"
        row = self._connection.execute(statement, (key,)).fetchone()
        return default if row is None else str(row[0])
