"""W3C trace context: the trace of a request, the client's own or a new one."""

import re
import secrets
from typing import NamedTuple

from flask import Flask, Response, request

from trially.request_state import request_state

HEADER = "traceparent"
_USABLE = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<parent>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?\Z"
)
SAMPLED = 1


def init_app(app: Flask) -> None:
    """Give every request a trace, and every answer a span of its own in it."""
    app.before_request(_join_trace)
    app.after_request(_send_trace)


class Caller(NamedTuple):
    """The caller's trace, span and flags, from `traceparent`."""

    trace_id: str
    span_id: str
    flags: str


def read_trace(header: str) -> Caller | None:
    """Return the caller of a `traceparent` header, or None if the header is invalid."""
    seen = _USABLE.match(header)
    if seen is None or (header.startswith("00-") and seen["more"]):
        return None
    return Caller(seen["trace"], seen["parent"], f"{int(seen['flags'], 16) & SAMPLED:02x}")


def set_trace(trace_id: str, span_id: str, flags: str) -> None:
    """Set the trace and span of the current request."""
    request_state().traceparent = f"00-{trace_id}-{span_id}-{flags}"


def _join_trace() -> None:
    caller = request_state().caller = read_trace(request.headers.get(HEADER, ""))
    trace_id, flags = (caller.trace_id, caller.flags) if caller else (None, "00")
    set_trace(trace_id or secrets.token_hex(16), secrets.token_hex(8), flags)


def _send_trace(response: Response) -> Response:
    traceparent = request_state().traceparent
    if traceparent is not None:
        response.headers[HEADER] = traceparent
    return response
