"""The life of a request to the platform API: no tenant is entered, and nothing is committed.

The token has an audience of its own, and the catalog says who is an operator. A view reads the
catalog with the role that may only read, or asks for a task, which a worker carries out.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from flask import Response, request

from trially.auth.platform.callers import Caller, find_caller
from trially.auth.platform.permissions import PlatformPermission
from trially.auth.platform.sign_ins import note_sign_in
from trially.auth.platform.verifying import REALM, read_platform_claims
from trially.auth.tenant_prefix import PATH_TENANT
from trially.auth.tokens import Claims
from trially.database.planes import platform_request
from trially.http.answering import call_view, refuse_query, render_result
from trially.http.codes import Code
from trially.http.contract import View, contract_of
from trially.http.problems import (
    BadRequest,
    Forbidden,
    NotFound,
    ServiceUnavailable,
    UnprocessableContent,
)
from trially.http.reading import read_body
from trially.http.retry_after import retry_after
from trially.request_cycle.bulkheads import occupy_thread_of
from trially.request_cycle.replaying import HEADER, REPLAYED_HEADER, VALID_KEY
from trially.request_state import request_state
from trially.tenancy.catalog_reader import CatalogUnavailableError, catalog_reader
from trially.tenancy.tasks.asking import Asked, Earlier, find_asked
from trially.tenancy.tasks.reading import find_operation

Answer = TypeVar("Answer")

TENANT_HEADER = "X-Tenant-ID"
PLATFORM = UUID(int=0)
"""In place of a tenant's id, where requests are counted."""


def admit_platform(view: View) -> None:
    """Verify the operator's bearer token. A request that names a tenant is refused."""
    state = request_state()
    state.credential = read_platform_claims()
    request.environ["trially.authenticated"] = True  # for the server's limits: serving/answering.py
    if PATH_TENANT in request.environ:
        raise NotFound("The platform API is not under the slug of a tenant.")
    if TENANT_HEADER in request.headers:
        raise BadRequest(f"The platform API takes no {TENANT_HEADER}. Name the tenant in the path.")
    if contract_of(view).body is not None:
        read_body()
    occupy_thread_of(PLATFORM, "catalog", "Too many requests to the platform API are running.")


def answer_platform(
    view: View, arguments: Mapping[str, Any], permission: PlatformPermission
) -> Response:
    """Answer the current request, without any access to tenants' databases."""
    state = request_state()
    assert isinstance(state.credential, Claims)  # noqa: S101
    with platform_request():
        try:
            caller = state.caller_of_platform = _authorized(state.credential, permission)
            refuse_query(view)
            state.asked = _read_asked(view, caller)
            response = _replayed(view, state.asked) or call_view(view, arguments)
        except CatalogUnavailableError:
            raise ServiceUnavailable(
                "The control plane does not answer now.",
                code=Code.CONTROL_PLANE_UNAVAILABLE,
                headers=retry_after(Code.CONTROL_PLANE_UNAVAILABLE),
            ) from None
    if state.is_replayed:
        response.headers[REPLAYED_HEADER] = "true"
    return response


def _authorized(claims: Claims, permission: PlatformPermission) -> Caller:
    """Return the operator who sent the token, or raise `Forbidden`."""
    caller = find_caller(claims)
    if caller is None:
        request_state().refusal = "no_operator"
        raise _forbidden("The token is not one of an operator of this installation.")
    note_sign_in(claims, caller)
    if permission not in caller.permissions:
        raise _forbidden(
            f"This request needs the permission {permission}.", Code.MISSING_PERMISSION
        )
    return caller


def _forbidden(detail: str, code: Code = Code.NOT_AN_OPERATOR) -> Forbidden:
    challenge = f'Bearer realm="{REALM}", error="insufficient_scope"'
    return Forbidden(detail, code=code, headers={"WWW-Authenticate": challenge})


def _read_asked(view: View, caller: Caller) -> Asked | None:
    """Return what the request asks for, to be recorded with the task; None if it only reads."""
    if not contract_of(view).is_keyed:
        return None
    key = request.headers.get(HEADER)
    if key is not None and not VALID_KEY.match(key):
        raise BadRequest(f"{HEADER} must be 1 to 255 visible ASCII characters.")
    digest = hashlib.sha256()
    versions = request.headers.get("If-Match", "").encode()
    for part in (request.mimetype.encode(), request.query_string, versions):
        digest.update(len(part).to_bytes(8, "big") + part)
    digest.update(read_body())
    operation = f"{request.method} {request.path}"
    return Asked(caller.issuer, caller.subject, operation, key, digest.hexdigest())


def _replayed(view: View, asked: Asked | None) -> Response | None:
    """Return the operation that an earlier request with the same key has begun, as it is now."""
    earlier = None if asked is None or asked.key is None else reading(lambda: find_asked(asked))
    if earlier is None:
        return None
    return render_result(contract_of(view), replay(earlier, asked))


def replay(earlier: Earlier, asked: Asked | None) -> Mapping[str, Any]:
    """Return the operation of an earlier request, and mark the answer as a replay.

    Raises `UnprocessableContent` if the key was used with another request.
    """
    if asked is None or earlier.request_digest != asked.request_digest:
        raise key_reused()
    request_state().is_replayed = True
    return reading(lambda: find_operation(earlier.task_id))


def reading(query: Callable[[], Answer]) -> Answer:
    """Return what a function reads from the catalog in a request to the platform API.

    It runs in a thread of its own, as all queries of requests do. Raises
    `CatalogUnavailableError`.
    """

    def read() -> Answer:
        with platform_request():
            return query()

    return catalog_reader().ask(read)


def key_reused() -> UnprocessableContent:
    """Return the problem of a key that was used before with another request."""
    return UnprocessableContent(
        f"This {HEADER} was used before with another request. Send a new key.",
        code=Code.IDEMPOTENCY_KEY_REUSED,
    )
