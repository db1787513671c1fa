"""The server's own errors, as problem details of the same shape as the app's (docs/problems.md)."""

import json
import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from gunicorn.config import Config
from gunicorn.http import errors
from gunicorn.util import http_date

from serving.framing import IncompleteError
from serving.limits import MOST_HEAD_BYTES

_VALID_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class Problem:
    """An error that the server answers without the app."""

    status: HTTPStatus
    detail: str
    code: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The problem's code."""
        return self.code or self.title.lower().replace(" ", "_")

    @property
    def title(self) -> str:
        """The status in words, as in the app's problems of this status."""
        return _TITLES.get(self.status) or self.status.phrase.capitalize()

    def render(self, request_id: str) -> bytes:
        """Return the whole response. It closes the connection."""
        body = json.dumps(
            {
                "type": f"/problems/{self.title.lower().replace(' ', '-')}",
                "code": self.name,
                "title": self.title,
                "status": int(self.status),
                "detail": self.detail,
                "request_id": request_id,
            },
            separators=(",", ":"),
        ).encode()
        headers = [
            ("Date", http_date()),
            ("Connection", "close"),
            ("Content-Type", "application/problem+json"),
            ("Content-Length", str(len(body))),
            ("X-Request-ID", request_id),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *self.headers,
        ]
        lines = [f"HTTP/1.1 {int(self.status)} {self.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([*lines, "", ""]).encode() + body


_TITLES = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content too large",
    HTTPStatus.REQUEST_URI_TOO_LONG: "URI too long",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Internal error",
}

CRASHED = Problem(
    HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed to answer this request.", "internal_error"
)
CUT_OFF = Problem(HTTPStatus.BAD_REQUEST, "The connection was closed before the request's end.")
TOO_SLOW = Problem(
    HTTPStatus.REQUEST_TIMEOUT, "The request arrived too slowly.", "request_too_slow"
)
TOO_MANY = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Too many connections are open, of this address or of all.",
    "too_many_connections",
    (("Retry-After", "1"),),
)
URI_TOO_LONG = Problem(HTTPStatus.REQUEST_URI_TOO_LONG, "The request line is too long.")
HEADERS_TOO_LARGE = Problem(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "The header fields are too many, or too large.",
)
BARE_NEWLINE = Problem(HTTPStatus.BAD_REQUEST, "A line does not end in CR LF.")

_DETAILS: dict[type[Exception], Problem] = {
    errors.LimitRequestLine: URI_TOO_LONG,
    errors.LimitRequestHeaders: HEADERS_TOO_LARGE,
    errors.ExpectationFailed: Problem(
        HTTPStatus.EXPECTATION_FAILED, "The only supported expectation is 100-continue."
    ),
    errors.UnsupportedTransferCoding: Problem(
        HTTPStatus.NOT_IMPLEMENTED, "The only supported transfer coding is chunked."
    ),
    errors.InvalidRequestLine: Problem(HTTPStatus.BAD_REQUEST, "The request line is invalid."),
    errors.InvalidRequestMethod: Problem(HTTPStatus.BAD_REQUEST, "The method is invalid."),
    errors.InvalidHTTPVersion: Problem(HTTPStatus.BAD_REQUEST, "The HTTP version is invalid."),
    errors.ObsoleteFolding: Problem(HTTPStatus.BAD_REQUEST, "A header field is folded."),
    errors.InvalidSchemeHeaders: Problem(
        HTTPStatus.BAD_REQUEST, "The header fields for the scheme contradict each other."
    ),
}


def name_limits(problem: Problem, config: Config) -> Problem:
    """Return a problem whose detail names the limit that the request exceeds."""
    if problem is URI_TOO_LONG:
        most = config.limit_request_line
        return replace(problem, detail=f"The request line is longer than {most} bytes.")
    if problem is HEADERS_TOO_LARGE:
        detail = (
            f"There are more than {config.limit_request_fields} header fields, one is longer than"
            f" {config.limit_request_field_size} bytes, or all together have more than"
            f" {MOST_HEAD_BYTES} bytes."
        )
        return replace(problem, detail=detail)
    return problem


def problem_of(error: Exception) -> Problem:
    """Return the problem for an error of gunicorn's parser. It quotes nothing of the request."""
    if isinstance(error, (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)):
        return CRASHED
    for kind, problem in _DETAILS.items():
        if isinstance(error, kind):
            return problem
    if isinstance(error, errors.NoMoreData):
        return CUT_OFF
    if isinstance(error, (errors.ParseException, IncompleteError)):
        return Problem(HTTPStatus.BAD_REQUEST, "The header fields or the body are invalid.")
    return CRASHED


def choose_request_id(request: Any) -> str:
    """Return the client's `X-Request-ID` if it is valid, else a new one. `request` may be None."""
    for name, value in getattr(request, "headers", None) or ():
        if name == "X-REQUEST-ID" and _VALID_ID.fullmatch(value):
            return str(value)
    return uuid4().hex
