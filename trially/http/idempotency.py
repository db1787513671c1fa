"""Idempotency-Key: what a client sends so that a request sent again has no second effect."""

import hashlib
import re
from collections.abc import Collection
from uuid import UUID

from flask import request

from trially.http.contract import read_body
from trially.http.problems import BadRequest

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
KEPT_HEADERS = ("Content-Type", "ETag", "Location")
"""Headers of an answer that are its own; the others are every answer's."""

_USABLE = re.compile(r"[!-~]{1,255}\Z")


def read_key() -> str | None:
    """Return the request's key if it has one; answer 400 if that is not visible ASCII."""
    key = request.headers.get(HEADER)
    if key is not None and not _USABLE.match(key):
        raise BadRequest(f"{HEADER} must be 1 to 255 visible ASCII characters.")
    return key


def digest_request(*, is_masked: bool, site_ids: Collection[UUID] | None) -> bytes:
    """Digest what the answer depends on: type, query and body, and what the caller is shown.

    `site_ids` are the sites that the caller is restricted to, None for a caller who is not.
    """
    digest = hashlib.sha256()
    sites = b"all" if site_ids is None else b"".join(sorted(each.bytes for each in site_ids))
    for part in (request.mimetype.encode(), request.query_string, bytes([is_masked]), sites):
        digest.update(len(part).to_bytes(8, "big") + part)
    digest.update(read_body())
    return digest.digest()
