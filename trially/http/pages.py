"""Pages of lists and their cursors.

A cursor is encrypted, because it holds values of the page's last row and becomes part of a URL. It
is bound to its tenant, list, filters and order, and it expires.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from flask import request
from itsdangerous import BadData
from itsdangerous.encoding import base64_decode, base64_encode

from trially.config import current_settings
from trially.http.codes import Code
from trially.http.problems import BadRequest
from trially.keys import Purpose, UnsealError, current_keys, seal, unseal_with_any

Page = dict[str, Any]

_TIME_BYTES = 8
_NOT_BOUND = frozenset({"cursor", "limit", "total"})
"""Members of a query that may differ from page to page."""


def make_page(
    items: Sequence[dict[str, Any]],
    limit: int,
    *,
    tenant_id: UUID,
    position: Sequence[str],
    query: Mapping[str, Any],
) -> Page:
    """Return a page of at most `limit` items. One more item shows that another page follows.

    `position` names the keys of an item that the list is ordered by.
    """
    has_more = len(items) > limit
    shown = items[:limit]
    last = (
        [str(shown[-1][key]) if shown[-1][key] is not None else None for key in position]
        if shown
        else []
    )
    return {
        "data": shown,
        "page": {
            "next": _write_cursor(last, tenant_id, query) if has_more else None,
            "has_more": has_more,
        },
    }


def read_cursor(tenant_id: UUID, query: Mapping[str, Any]) -> list[str | None] | None:
    """Return the position after which the page begins, None for the first page.

    Answers 400 for a cursor of another tenant, list or filter, as for one that was made up.
    """
    cursor = query["cursor"]
    if cursor is None:
        return None
    try:
        opened = unseal_with_any(
            current_keys().accepted,
            Purpose.PAGE_CURSORS,
            _decode(cursor),
            _context(tenant_id, query),
        )
        _refuse_expired(int.from_bytes(opened[:_TIME_BYTES]))
    except (BadData, UnsealError):
        raise BadRequest(
            "The cursor is invalid or has expired.",
            code=Code.INVALID_CURSOR,
            errors=[{"pointer": "/cursor", "detail": "Must be `page.next` of this list."}],
        ) from None
    position: list[str | None] = orjson.loads(opened[_TIME_BYTES:])
    return position


def _write_cursor(position: Sequence[str | None], tenant_id: UUID, query: Mapping[str, Any]) -> str:
    opened = int(time.time()).to_bytes(_TIME_BYTES) + orjson.dumps(position)
    context = _context(tenant_id, query)
    sealed = seal(current_keys().in_use, Purpose.PAGE_CURSORS, opened, context)
    return base64_encode(sealed).decode()


def _decode(cursor: str) -> bytes:
    """Return the bytes of a cursor. Base64 has several spellings of some; only ours is accepted."""
    sealed = base64_decode(cursor)
    if base64_encode(sealed).decode() != cursor:
        raise UnsealError("The cursor was changed.")
    return sealed


def _refuse_expired(written_at: int) -> None:
    if time.time() - written_at > current_settings().cursor_lifetime_seconds:
        raise UnsealError("The cursor has expired.")


def _context(tenant_id: UUID, query: Mapping[str, Any]) -> bytes:
    """Return what a cursor is bound to."""
    bound = {name: value for name, value in query.items() if name not in _NOT_BOUND}
    return tenant_id.bytes + orjson.dumps([request.path, bound], option=orjson.OPT_SORT_KEYS)
