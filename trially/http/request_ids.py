"""The name of each request, taken from the client or given, and sent back."""

import re

from flask import Flask, Response, request
from uuid_utils import uuid7

from trially.http.headers import add_missing
from trially.state import request_state

HEADER = "X-Request-ID"
NEITHER_STORED_NOR_SNIFFED = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


def init_app(app: Flask) -> None:
    """Name every request before anything else looks at it."""
    app.before_request(_name_request)
    app.after_request(_send_name)


def _name_request() -> None:
    asked = request.headers.get(HEADER, "")
    request_state().request_id = asked if _USABLE.match(asked) else uuid7().hex


def _send_name(response: Response) -> Response:
    response.headers[HEADER] = request_state().request_id or ""
    add_missing(response.headers, NEITHER_STORED_NOR_SNIFFED)
    return response
