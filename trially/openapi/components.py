"""What all operations of the OpenAPI document have in common: problems, headers, responses."""

from typing import Any

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
}

HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {
        "description": "The version of the answer, for If-Match and If-None-Match.",
        "schema": {"type": "string"},
    },
    "Idempotency-Replayed": {
        "description": "`true` if the response to the first request with this key was sent again.",
        "schema": {"type": "string", "const": "true"},
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
    "TooManyRequests": "The caller must wait for `Retry-After`.",
    "InternalError": "The server failed to answer.",
    "ServiceUnavailable": "The database is temporarily unavailable, or the request took too long.",
}
HEADERS_OF = {
    "ServiceUnavailable": ("Retry-After",),
    "TooManyRequests": ("Retry-After",),
    "Conflict": ("Retry-After",),
}
RESPONSES_TO_IF_NONE_MATCH = {"304": "NotModified"}
RESPONSES_TO_IF_MATCH = {
    "409": "Conflict",
    "412": "PreconditionFailed",
    "428": "PreconditionRequired",
}
RESPONSES_TO_KEYS = {"409": "Conflict", "413": "ContentTooLarge", "422": "UnprocessableContent"}
RESPONSES_OF_ALL = {
    "400": "BadRequest",
    "401": "Unauthorized",
    "403": "Forbidden",
    "500": "InternalError",
    "503": "ServiceUnavailable",
}
RESPONSES_OF_PATHS = {"404": "NotFound"}
RESPONSES_TO_BODIES = {
    "409": "Conflict",
    "413": "ContentTooLarge",
    "415": "UnsupportedMediaType",
    "422": "UnprocessableContent",
}
RESPONSES_TO_STREAMS = {"429": "TooManyRequests"}
