"""The id of each request: the client's own if it is valid, else a new one. It is sent back."""

import re

from flask import Flask, Response, request
from uuid_utils.compat import uuid7

from trially.http.headers import add_missing
from trially.request_state import request_state

HEADER = "X-Request-ID"
NEITHER_STORED_NOR_SNIFFED = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_VALID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


def init_app(app: Flask) -> None:
    """Give every request an id before other hooks run."""
    app.before_request(_set_request_id)
    app.after_request(_send_request_id)


def _set_request_id() -> None:
    requested, state = request.headers.get(HEADER, ""), request_state()
    if _VALID.match(requested):
        state.request_id = requested
    else:
        state.new_id = uuid7()
        state.request_id = state.new_id.hex


def _send_request_id(response: Response) -> Response:
    response.headers[HEADER] = request_state().request_id or ""
    add_missing(response.headers, NEITHER_STORED_NOR_SNIFFED)
    return response
