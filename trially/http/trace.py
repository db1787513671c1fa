"""W3C trace context: the trace that a request belongs to, taken from the client or begun."""

import re
import secrets

from flask import Flask, Response, g, request

HEADER = "traceparent"
_USABLE = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?\Z"
)
SAMPLED = 1


def init_app(app: Flask) -> None:
    """Give every request a trace, and every answer a span of its own in it."""
    app.before_request(_join_trace)
    app.after_request(_send_trace)


def read_trace(header: str) -> tuple[str, str] | None:
    """Return the trace id and flags of a `traceparent`, or None if it is not usable."""
    seen = _USABLE.match(header)
    if seen is None or (header.startswith("00-") and seen["more"]):
        return None
    return seen["trace"], f"{int(seen['flags'], 16) & SAMPLED:02x}"


def _join_trace() -> None:
    g.trace_id, g.trace_flags = read_trace(request.headers.get(HEADER, "")) or (
        secrets.token_hex(16),
        "00",
    )


def _send_trace(response: Response) -> Response:
    if "trace_id" in g:
        span = secrets.token_hex(8)
        response.headers[HEADER] = f"00-{g.trace_id}-{span}-{g.trace_flags}"
    return response
