"""Idempotency-Key: answer a request that was sent before with the response it got then.

The key is claimed by the first statement of the request's transaction and the response is stored
by its last: both are committed together, or neither.
"""

import hashlib
import re
from collections.abc import Callable

import orjson
from flask import Response, current_app, request

from trially.auth.identity import current_identity
from trially.auth.roles import PhiLevel
from trially.config import current_settings
from trially.http.codes import Code
from trially.http.contract import contract_of
from trially.http.disclosures import note_disclosed
from trially.http.problems import BadRequest, Conflict, UnprocessableContent
from trially.http.reading import read_body
from trially.http.retry_after import retry_after
from trially.request_cycle.idempotency_keys import (
    KeyInUseError,
    KeyUse,
    claim_key,
    get_response,
    store_response,
)
from trially.request_cycle.settling import ERRORS_START

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
STORED_HEADERS = ("Content-Type", "ETag", "Location")
"""Headers that belong to the response itself; all others are added to every response."""

VALID_KEY = re.compile(r"[!-~]{1,255}\Z")


def replay_response(proceed: Callable[[], Response]) -> Response:
    """Return the stored response if the request's key was used before; else store the new one."""
    key = _read_key()
    if key is None:
        return proceed()
    use = KeyUse(
        member_id=current_identity().member_id,
        operation=f"{request.method} {request.path}",
        key=key,
        request_digest=_digest_request(),
    )
    lifetime_seconds = current_settings().idempotency_lifetime_seconds
    claim = claim_key(use, lifetime_seconds)
    if claim is None:
        return _stored_response(use)
    response = proceed()
    if response.status_code < ERRORS_START:
        stored = {
            name: response.headers[name] for name in STORED_HEADERS if name in response.headers
        }
        store_response(
            claim,
            response.status_code,
            orjson.dumps(stored).decode(),
            response.get_data(),
            lifetime_seconds,
        )
    return response


def _read_key() -> str | None:
    """Return the request's key, if the route accepts one and the request has one."""
    view = current_app.view_functions[request.endpoint or ""]
    key = request.headers.get(HEADER) if contract_of(view).is_keyed else None
    if key is not None and not VALID_KEY.match(key):
        raise BadRequest(f"{HEADER} must be 1 to 255 visible ASCII characters.")
    return key


def _digest_request() -> bytes:
    """Digest all that the response depends on: type, query, body, PHI level and sites."""
    identity = current_identity()
    site_ids = identity.site_ids
    sites = b"all" if site_ids is None else b"".join(sorted(each.bytes for each in site_ids))
    is_masked = bytes([identity.phi_level is not PhiLevel.FULL])
    digest = hashlib.sha256()
    for part in (request.mimetype.encode(), request.query_string, is_masked, sites):
        digest.update(len(part).to_bytes(8, "big") + part)
    digest.update(read_body())
    return digest.digest()


def _stored_response(use: KeyUse) -> Response:
    try:
        stored = get_response(use)
    except KeyInUseError as error:
        raise Conflict(
            str(error),
            code=Code.IDEMPOTENCY_KEY_IN_USE,
            headers=retry_after(Code.IDEMPOTENCY_KEY_IN_USE, use.member_id, use.key),
        ) from None
    if bytes(stored["request_digest"]) != use.request_digest:
        raise UnprocessableContent(
            f"This {HEADER} was used before with another request. Send a new key.",
            code=Code.IDEMPOTENCY_KEY_REUSED,
        )
    _note_disclosed(bytes(stored["body"]))
    headers = {**stored["headers"], REPLAYED_HEADER: "true"}
    return Response(bytes(stored["body"]), stored["status"], headers)


def _note_disclosed(body: bytes) -> None:
    """Note the patients of a stored answer, which is one item."""
    subjects = contract_of(current_app.view_functions[request.endpoint or ""]).subjects
    if subjects is not None:
        note_disclosed(subjects, [orjson.loads(body)])
