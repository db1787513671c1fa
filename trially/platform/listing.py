"""Pages and versions of what the platform API shows."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from trially.http.codes import Code
from trially.http.etags import Versions
from trially.http.pages import Page, make_page, read_cursor
from trially.http.problems import NotFound, PreconditionFailed
from trially.request_cycle.platform import PLATFORM, reading

Item = dict[str, Any]

VERSION_BYTES = 7
"""Of a digest: a number of at most 17 digits."""


def page_of(
    query: Mapping[str, Any],
    position: str,
    read: Callable[[str | None, int], Sequence[Item]],
) -> Page:
    """Return a page of a list that is ordered by the member `position`, which is unique.

    `read` gets the position after which the page begins, None for the first one, and how many items
    to read.
    """
    cursor, limit = read_cursor(PLATFORM, query), query["limit"]
    after = None if cursor is None else cursor[0]
    items = reading(lambda: read(after, limit + 1))
    return make_page(items, limit, tenant_id=PLATFORM, position=[position], query=query)


def with_version(item: Item) -> Item:
    """Return an item with its version, which changes with any of its members."""
    digest = hashlib.sha256(orjson.dumps(item, option=orjson.OPT_SORT_KEYS)).digest()
    return {**item, "version": int.from_bytes(digest[:VERSION_BYTES])}


def refuse_other_version(item: Item, versions: Versions | None) -> None:
    """Raise `PreconditionFailed` unless an item has one of the versions that a client has read."""
    if versions is not None and item["version"] not in versions:
        raise PreconditionFailed(
            "The record has changed since that version. Read it again.", code=Code.VERSION_CONFLICT
        )


def not_found(what: str) -> NotFound:
    """Return the 404 for what does not exist."""
    return NotFound(f"There is no {what}.")
