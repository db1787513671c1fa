"""Errors as clients see them: problem details (RFC 9457), all of one shape.

`type` and `status` come from the class. `code` names the cause; docs/problems.md lists all codes.
Clients decide by `code`. `title` and `detail` are for people, and their wording may change.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from traceback import format_tb
from typing import Any

import orjson
from flask import Flask, Response, current_app
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from trially.http.codes import Code
from trially.request_state import request_state

PROBLEM_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818
    """An error that ends the request, with the status, type and title of its class."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "internal-error"
    title = "Internal error"
    code: str = Code.INTERNAL_ERROR

    def __init__(
        self,
        detail: str,
        *,
        code: Code | None = None,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code
        self.errors = errors
        self.headers = headers or {}
        self.extensions = extensions or {}

    def to_response(self) -> Response:
        """Render the problem."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.kind}",
            "code": self.code,
            "title": self.title,
            "status": int(self.status),
            "detail": self.detail,
            "request_id": request_state().request_id,
            **self.extensions,
        }
        if self.errors:
            body["errors"] = self.errors
        return Response(
            orjson.dumps(body), self.status, dict(self.headers), content_type=PROBLEM_TYPE
        )


class BadRequest(Problem):
    """The request is malformed."""

    status = HTTPStatus.BAD_REQUEST
    kind = "bad-request"
    title = "Bad request"
    code = Code.BAD_REQUEST


class Unauthorized(Problem):
    """The request has no valid token."""

    status = HTTPStatus.UNAUTHORIZED
    kind = "unauthorized"
    title = "Unauthorized"
    code = Code.UNAUTHORIZED


class Forbidden(Problem):
    """The caller is known and may not do this."""

    status = HTTPStatus.FORBIDDEN
    kind = "forbidden"
    title = "Forbidden"
    code = Code.FORBIDDEN


class NotFound(Problem):
    """The record does not exist, or the caller may not see it."""

    status = HTTPStatus.NOT_FOUND
    kind = "not-found"
    title = "Not found"
    code = Code.NOT_FOUND


class Conflict(Problem):
    """The request conflicts with the current state."""

    status = HTTPStatus.CONFLICT
    kind = "conflict"
    title = "Conflict"
    code = Code.CONFLICT


class PreconditionFailed(Problem):
    """A precondition of the request does not hold."""

    status = HTTPStatus.PRECONDITION_FAILED
    kind = "precondition-failed"
    title = "Precondition failed"
    code = Code.PRECONDITION_FAILED


class PreconditionRequired(Problem):
    """The request needs a precondition."""

    status = HTTPStatus.PRECONDITION_REQUIRED
    kind = "precondition-required"
    title = "Precondition required"
    code = Code.PRECONDITION_REQUIRED


class ContentTooLarge(Problem):
    """The body is larger than this route accepts."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    kind = "content-too-large"
    title = "Content too large"
    code = Code.CONTENT_TOO_LARGE


class UnsupportedMediaType(Problem):
    """This route does not accept a body of this Content-Type."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    kind = "unsupported-media-type"
    title = "Unsupported media type"
    code = Code.UNSUPPORTED_MEDIA_TYPE


class UnprocessableContent(Problem):
    """The body is well-formed and breaks a rule."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "unprocessable-content"
    title = "Unprocessable content"
    code = Code.UNPROCESSABLE_CONTENT


class TooManyRequests(Problem):
    """The caller must wait before the request can be answered."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    kind = "too-many-requests"
    title = "Too many requests"
    code = Code.TOO_MANY_REQUESTS


class ServiceUnavailable(Problem):
    """A part that the request needs is unavailable."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "service-unavailable"
    title = "Service unavailable"
    code = Code.SERVICE_UNAVAILABLE


def validation_failed(errors: list[dict[str, str]] | None = None) -> UnprocessableContent:
    """Return the problem of a body that breaks rules; `errors` are JSON pointers and details."""
    return UnprocessableContent("Validation failed.", code=Code.VALIDATION_FAILED, errors=errors)


def init_app(app: Flask) -> None:
    """Render every error as a problem."""
    app.register_error_handler(Problem, Problem.to_response)
    app.register_error_handler(ValidationError, _render_invalid)
    app.register_error_handler(HTTPException, _render_http)
    app.register_error_handler(Exception, _render_crash)
    app.config["PROPAGATE_EXCEPTIONS"] = False


def to_pointers(messages: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Flatten marshmallow's messages into JSON pointers (RFC 6901) and sentences."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            step = "" if name == "_schema" else "/" + _escaped(str(name))
            yield from to_pointers(inner, path + step)
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            if isinstance(message, Mapping):
                yield from to_pointers(message, path)
            else:
                yield {"pointer": path, "detail": str(message)}


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _render_invalid(error: ValidationError) -> Response:
    return validation_failed(list(to_pointers(error.messages))).to_response()


def _render_http(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    problem = Problem(
        _detail_of(error, status),
        headers={
            name: value
            for name, value in error.get_headers()
            if name.lower() not in {"content-type", "content-length"}
        },
    )
    named = _BY_STATUS.get(status)
    problem.status = status
    problem.title = named.title if named else status.phrase.capitalize()
    problem.kind = named.kind if named else status.phrase.lower().replace(" ", "-")
    problem.code = named.code if named else status.phrase.lower().replace(" ", "_")
    return problem.to_response()


def _detail_of(error: HTTPException, status: HTTPStatus) -> str:
    """Return the detail of an HTTP error: Werkzeug's own texts are for people in browsers."""
    if error.description and error.description != type(error).description:
        return error.description
    return _DETAILS.get(status) or f"{status.phrase}. {status.description}".rstrip(". ") + "."


_DETAILS = {
    HTTPStatus.BAD_REQUEST: "The request is malformed.",
    HTTPStatus.NOT_FOUND: "This path does not exist. /openapi.json lists the paths; ids are UUIDs.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This path does not have the method. See the header Allow.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than this path accepts.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "This path does not accept a body of this Content-Type.",
}
"""Details of errors that Flask and Werkzeug raise without words of ours, by status."""


def _render_crash(error: Exception) -> Response:
    """Answer and log an unexpected error by its type and place; its message may quote a patient."""
    current_app.logger.error(
        "Request %s failed with %s, at:\n%s",
        request_state().request_id,
        type(error).__name__,
        "".join(format_tb(error.__traceback__)),
    )
    return Problem("The server failed to answer this request.").to_response()


_KINDS: tuple[type[Problem], ...] = (Problem, *Problem.__subclasses__())
_BY_STATUS = {kind.status: kind for kind in _KINDS}
