"""Errors in the form of SCIM: RFC 7644, section 3.12."""

from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, request

from trially.http.codes import Code
from trially.http.problems import (
    PROBLEM_TYPE,
    BadRequest,
    Conflict,
    Forbidden,
    PreconditionFailed,
    Problem,
)

SCIM_PATH = "/api/v1/scim/v2"
SCIM_TYPE = "application/scim+json"
ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
SCIM_KIND = "scimType"
"""The member of a problem, and of a SCIM error, with the keyword of the error."""

_KINDS = {
    Code.ALREADY_EXISTS: "uniqueness",
    Code.INVALID_PARAMETER: "invalidValue",
    Code.MALFORMED_JSON: "invalidSyntax",
    Code.VALIDATION_FAILED: "invalidValue",
}
"""The keywords of errors that other rooms raise, by their code."""

_STATUSES = {HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST}
"""RFC 7644 has no 422: a body with an invalid value is answered with 400."""


def refused(kind: str, detail: str) -> Problem:
    """Return the 400 of a request that SCIM has a keyword for."""
    return BadRequest(detail, extensions={SCIM_KIND: kind})


def not_unique(detail: str) -> Problem:
    """Return the 409 of a value that another record has."""
    return Conflict(detail, code=Code.ALREADY_EXISTS)


def too_many(detail: str) -> Problem:
    """Return the 403 of a record above the bound of a tenant."""
    return Forbidden(detail)


def refuse_other_version(version: int) -> None:
    """Answer 412 if the request has If-Match, and it names other versions than this one.

    Identity providers may leave the header out. SCIM's versions are weak tags, so they are compared
    as such.
    """
    if "If-Match" not in request.headers:
        return
    tags = request.if_match
    if not tags.star_tag and not tags.contains_weak(str(version)):
        raise PreconditionFailed(
            "The resource has changed since that version. Read it again.",
            code=Code.VERSION_CONFLICT,
        )


def render_scim_errors(response: Response) -> Response:
    """Return an error of a SCIM route as SCIM describes it, wherever it was raised."""
    if response.mimetype != PROBLEM_TYPE or not request.path.startswith(SCIM_PATH):
        return response
    problem: dict[str, Any] = orjson.loads(response.get_data())
    status = _STATUSES.get(HTTPStatus(response.status_code), HTTPStatus(response.status_code))
    faults = " ".join(
        f"{each['pointer'].removeprefix('/')}: {each['detail']}"
        for each in problem.get("errors", ())
    )
    body = {
        "schemas": [ERROR_SCHEMA],
        "status": str(int(status)),
        "detail": f"{problem['detail']} {faults}".rstrip(),
    }
    kind = problem.get(SCIM_KIND) or _KINDS.get(problem["code"])
    if kind is not None:
        body[SCIM_KIND] = kind
    response.set_data(orjson.dumps(body))
    response.status_code = status
    response.content_type = SCIM_TYPE
    return response


def init_app(app: Flask) -> None:
    """Render errors of SCIM routes."""
    app.after_request(render_scim_errors)
