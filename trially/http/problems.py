"""Errors as clients see them: problem details (RFC 9457), all of one shape."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from traceback import format_tb
from typing import Any

import orjson
from flask import Flask, Response, current_app, g
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

PROBLEM_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818
    """Something that ends a request, with the status and type of its class."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "internal-error"
    title = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    def to_response(self) -> Response:
        """Render the problem."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.kind}",
            "title": self.title,
            "status": int(self.status),
            "detail": self.detail,
            "request_id": g.get("request_id"),
        }
        if self.errors:
            body["errors"] = self.errors
        return Response(
            orjson.dumps(body), self.status, dict(self.headers), content_type=PROBLEM_TYPE
        )


class BadRequest(Problem):
    """The request cannot be understood."""

    status = HTTPStatus.BAD_REQUEST
    kind = "bad-request"
    title = "Bad request"


class Unauthorized(Problem):
    """There is no good token."""

    status = HTTPStatus.UNAUTHORIZED
    kind = "unauthorized"
    title = "Unauthorized"


class Forbidden(Problem):
    """The caller is known and may not do this."""

    status = HTTPStatus.FORBIDDEN
    kind = "forbidden"
    title = "Forbidden"


class NotFound(Problem):
    """There is no such thing, or not for this caller."""

    status = HTTPStatus.NOT_FOUND
    kind = "not-found"
    title = "Not found"


class Conflict(Problem):
    """The request contradicts what is there."""

    status = HTTPStatus.CONFLICT
    kind = "conflict"
    title = "Conflict"


class PreconditionFailed(Problem):
    """The thing to be changed is not as the client has seen it."""

    status = HTTPStatus.PRECONDITION_FAILED
    kind = "precondition-failed"
    title = "Precondition failed"


class PreconditionRequired(Problem):
    """The client does not say what it has seen of the thing to be changed."""

    status = HTTPStatus.PRECONDITION_REQUIRED
    kind = "precondition-required"
    title = "Precondition required"


class ContentTooLarge(Problem):
    """The body is larger than this route takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    kind = "content-too-large"
    title = "Content too large"


class UnsupportedMediaType(Problem):
    """The body is of a type that this route does not take."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    kind = "unsupported-media-type"
    title = "Unsupported media type"


class UnprocessableContent(Problem):
    """The body is well-formed and breaks a rule; `errors` points to where."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "unprocessable-content"
    title = "Unprocessable content"


class ServiceUnavailable(Problem):
    """Something that is needed is away for now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "service-unavailable"
    title = "Service unavailable"


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
    return UnprocessableContent(
        "The body breaks a rule.", errors=list(to_pointers(error.messages))
    ).to_response()


def _render_http(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    problem = Problem(
        error.description or status.description,
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
    return problem.to_response()


def _render_crash(error: Exception) -> Response:
    """Answer and log a crash without a word of what it said, which may be a patient's data."""
    current_app.logger.error(
        "Request %s failed with %s, at:\n%s",
        g.get("request_id"),
        type(error).__name__,
        "".join(format_tb(error.__traceback__)),
    )
    return Problem("Something went wrong on our side.").to_response()


_KINDS: tuple[type[Problem], ...] = (Problem, *Problem.__subclasses__())
_BY_STATUS = {kind.status: kind for kind in _KINDS}
