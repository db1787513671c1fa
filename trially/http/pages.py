"""Pages of lists and their cursors, which are signed, bound to a tenant and query, and expire."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from flask import request
from itsdangerous import BadData, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode

from trially.config import current_settings
from trially.http.codes import Code
from trially.http.problems import BadRequest
from trially.keys import Purpose, current_keys, derive_key

Page = dict[str, Any]


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
    lifetime = current_settings().cursor_lifetime_seconds
    # itsdangerous signs with the last key, and accepts the signatures of all.
    keys = current_keys().accepted[::-1]
    try:
        signed = _signer(keys, tenant_id, query).unsign(cursor, max_age=lifetime)
        position: list[str | None] = orjson.loads(base64_decode(signed))
    except BadData:
        raise BadRequest(
            "The cursor is invalid or has expired.",
            code=Code.INVALID_CURSOR,
            errors=[{"pointer": "/cursor", "detail": "Must be `page.next` of this list."}],
        ) from None
    return position


def _write_cursor(position: Sequence[str | None], tenant_id: UUID, query: Mapping[str, Any]) -> str:
    signer = _signer([current_keys().in_use], tenant_id, query)
    return signer.sign(base64_encode(orjson.dumps(position))).decode()


def _signer(
    secret_keys: Sequence[str], tenant_id: UUID, query: Mapping[str, Any]
) -> TimestampSigner:
    filters = {name: value for name, value in query.items() if name not in {"cursor", "limit"}}
    digest = hashlib.sha256(orjson.dumps([request.path, filters], option=orjson.OPT_SORT_KEYS))
    keys = [derive_key(secret_key, Purpose.PAGE_CURSORS) for secret_key in secret_keys]
    return TimestampSigner(keys, salt=f"cursor:{tenant_id}:{digest.hexdigest()}")
