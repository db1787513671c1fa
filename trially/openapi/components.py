"""What all operations of the OpenAPI document have in common: problems, headers, responses."""

from typing import Any

from apispec import APISpec

from trially.http.problems import PROBLEM_TYPE
from trially.openapi.planes import Plane

SERVERS = [{"url": "/", "description": "The server that this document comes from."}]

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "An error (RFC 9457). Decide by `code`; `title` and `detail` are for people.",
    "required": ["type", "code", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "code": {
            "type": "string",
            "description": "The cause, in a word that never changes; clients ignore new ones.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "reason": {
            "type": "string",
            "description": "Why a token was refused, in a word. Only servers in development send"
            " it; servers in production write it into their log.",
        },
        "hint": {
            "type": "string",
            "description": "What to check, for the developer of a client. Only in development.",
        },
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "A JSON pointer (RFC 6901)."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
    "examples": [
        {
            "type": "/problems/unprocessable-content",
            "code": "validation_failed",
            "title": "Unprocessable content",
            "status": 422,
            "detail": "Validation failed.",
            "request_id": "019bb5ee3c1d7d32a7a8c3f9b7a1e0aa",
            "errors": [{"pointer": "/mrn", "detail": "Missing data for required field."}],
        }
    ],
}

HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {
        "description": "The version of the answer, for If-Match and If-None-Match.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "The path of the new record.",
        "schema": {"type": "string"},
    },
    "Idempotency-Replayed": {
        "description": "`true` if the response to the first request with this key was sent again.",
        "schema": {"type": "string", "const": "true"},
    },
    "RateLimit": {
        "description": "How much of each limit of requests is left (`r`), and after how many seconds"
        " it is full again (`t`). Every answer to a member of a tenant with such a limit has it.",
        "schema": {"type": "string"},
        "example": '"tenant";r=512;t=23, "member";r=299;t=23',
    },
    "RateLimit-Policy": {
        "description": "The limits of requests: `q` in a window of `w` seconds.",
        "schema": {"type": "string"},
        "example": '"tenant";q=600;w=60, "member";q=300;w=60',
    },
    "Retry-After": {
        "description": "Seconds to wait before a retry.",
        "schema": {"type": "string"},
    },
    "X-Request-ID": {
        "description": "The id of the request: the client's own if it is valid.",
        "schema": {"type": "string"},
    },
    "traceparent": {
        "description": "The trace of the request, the client's own if it is valid, and a new span.",
        "schema": {"type": "string"},
    },
}

PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    "IfMatch": (
        "If-Match",
        {
            "required": True,
            "description": "The ETag of the record to change, or `*` for any version.",
            "schema": {"type": "string"},
        },
    ),
    "IfNoneMatch": (
        "If-None-Match",
        {"description": "The ETag that the client holds.", "schema": {"type": "string"}},
    ),
    "IdempotencyKey": (
        "Idempotency-Key",
        {
            "description": "Makes a repeated request safe: it has no second effect.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        },
    ),
    "Prefer": (
        "Prefer",
        {
            "description": "`respond-async` answers 202 with a job at once, which a worker runs.",
            "schema": {"type": "string"},
            "example": "respond-async",
        },
    ),
    "RequestId": (
        "X-Request-ID",
        {
            "description": "An id for the request, sent back and logged. An id that is not 1 to 64"
            " letters, digits, dots, underscores or hyphens is replaced.",
            "schema": {"type": "string"},
        },
    ),
    "TraceParent": (
        "traceparent",
        {"description": "W3C trace context.", "schema": {"type": "string"}},
    ),
}

RESPONSES = {
    "BadRequest": "The request is malformed.",
    "Unauthorized": "Missing or invalid token.",
    "Forbidden": "The caller lacks the permission, or access to this tenant.",
    "NotFound": "The record does not exist, or the caller may not see it.",
    "Conflict": "The request conflicts with the current state.",
    "PreconditionFailed": "The record has another version than If-Match names.",
    "PreconditionRequired": "The request needs If-Match.",
    "ContentTooLarge": "The body is larger than this route accepts.",
    "UnsupportedMediaType": "This route does not accept a body of this Content-Type.",
    "UnprocessableContent": "Validation failed; `errors` points to each value.",
    "TooManyRequests": "A limit is reached: wait for `Retry-After`. `limit` names one of the plan.",
    "InternalError": "The server failed to answer.",
    "ServiceUnavailable": "The database is temporarily unavailable, or the request took too long.",
    "ServerError": """\
An error that the server answers to any request, mostly before the API sees it. It is a problem too.

| status | cause |
|---|---|
| 400 | The request is not valid HTTP. |
| 404 | There is no such path. |
| 405 | The path does not accept this method. |
| 408 | The request arrived too slowly (`request_too_slow`). It may be repeated. |
| 414 | The request line is longer than the server accepts. |
| 417 | The header `Expect` has another value than `100-continue`. |
| 429 | The caller has sent too many requests (`too_many_requests`). Wait for `Retry-After`. |
| 431 | The header fields are too many, or larger than the server accepts. |
| 501 | The server does not know the transfer coding. |
| 503 | Too many connections are open (`too_many_connections`), or the service is restarting. Wait for `Retry-After`. |
""",
}
HEADERS_OF = {
    "ServiceUnavailable": ("Retry-After",),
    "TooManyRequests": ("Retry-After", "RateLimit", "RateLimit-Policy"),
    "Conflict": ("Retry-After",),
    "ServerError": ("Retry-After",),
}
RESPONSES_TO_IF_NONE_MATCH = {"304": "NotModified"}
RESPONSES_TO_IF_MATCH = {
    "409": "Conflict",
    "412": "PreconditionFailed",
    "428": "PreconditionRequired",
}
RESPONSES_TO_CONFLICTS = {"409": "Conflict"}
RESPONSES_TO_KEYS = {"409": "Conflict", "413": "ContentTooLarge", "422": "UnprocessableContent"}
RESPONSES_OF_ALL = {
    "400": "BadRequest",
    "401": "Unauthorized",
    "403": "Forbidden",
    "429": "TooManyRequests",
    "500": "InternalError",
    "503": "ServiceUnavailable",
    "default": "ServerError",
}
RESPONSES_OF_PATHS = {"404": "NotFound"}
RESPONSES_TO_BODIES = {
    "409": "Conflict",
    "413": "ContentTooLarge",
    "415": "UnsupportedMediaType",
    "422": "UnprocessableContent",
}


def add_components(spec: APISpec, plane: Plane) -> None:
    """Add to a document what its operations refer to."""
    components = spec.components
    components.security_scheme(
        plane.scheme,
        {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": plane.token_format,
            "description": plane.token,
        },
    )
    components.schema("Problem", PROBLEM)
    for name, header in HEADERS.items():
        components.header(name, header)
    for name, (sent_as, parameter) in PARAMETERS.items():
        components.parameter(name, "header", {"name": sent_as, **parameter})
    components.response(
        "NotModified",
        {"description": "The client has the current version.", "headers": _refer_to("ETag")},
    )
    for name, description in RESPONSES.items():
        headers = _refer_to("X-Request-ID", "traceparent", *HEADERS_OF.get(name, ()))
        content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        components.response(
            name, {"description": description, "headers": headers, "content": content}
        )


def _refer_to(*headers: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}


def drop_unused(document: dict[str, Any]) -> None:
    """Remove from a document the components that nothing in it refers to."""
    components = document["components"]
    kinds = [kind for kind in components if kind != "securitySchemes"]
    while unused := {
        f"#/components/{kind}/{name}" for kind in kinds for name in components[kind]
    } - _references(document):
        for path in unused:
            _, _, kind, name = path.split("/")
            del components[kind][name]


def _references(part: Any) -> set[str]:
    """Return all that a part of a document refers to."""
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(_references(each) for each in part.values()))
    if isinstance(part, list):
        return set().union(*(_references(each) for each in part))
    return set()
