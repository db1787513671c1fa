"""Headers for browsers: CORS, Content-Security-Policy, Referrer-Policy, HSTS."""

import re
from http import HTTPStatus

from flask import Flask, Response, current_app, request

from trially.config import current_settings
from trially.http.headers import add_missing
from trially.http.problems import PROBLEM_TYPE
from trially.request_state import request_state

ALLOWED_HEADERS = (
    "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Prefer,"
    " X-Tenant-ID,"
    " X-Read-After, X-Request-ID, traceparent, tracestate, baggage, sentry-trace"
)
"""`baggage` and `sentry-trace` are headers of tracing libraries, and have no effect here."""

EXPOSED_HEADERS = (
    "ETag, Location, X-Read-After, X-Request-ID, Retry-After, RateLimit, RateLimit-Policy,"
    " Idempotency-Replayed, traceparent"
)
PREFLIGHT_MAX_AGE_SECONDS = "600"
HSTS = "max-age=31536000"
NOTHING_ALLOWED = "default-src 'none'; frame-ancestors 'none'"
PAGES_ALLOWED = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
"""The page that browses the OpenAPI document contains an inline script."""

_LOGGED_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,100}")
_OTHER_ORIGIN = "other"
"""What the log has for an Origin that names no site, such as `null`."""


def init_app(app: Flask, pages: str = "/docs") -> None:
    """Answer preflights, and add the headers; pages below `pages` may run scripts."""

    def add_headers(response: Response) -> Response:
        is_page = request.path.startswith(pages) and response.mimetype != PROBLEM_TYPE
        settings, headers = current_settings(), response.headers
        added = {
            "Content-Security-Policy": PAGES_ALLOWED if is_page else NOTHING_ALLOWED,
            "Referrer-Policy": "no-referrer",
        }
        if settings.public_url.startswith("https://"):
            added["Strict-Transport-Security"] = HSTS
        add_missing(headers, added)
        if "Access-Control-Allow-Origin" not in headers:
            headers.add("Vary", "Origin")
            origin = request.headers.get("Origin")
            if origin in settings.cors_origins:
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
            elif origin is not None:
                _record_refused(origin)
        return response

    app.before_request(_answer_preflight)
    app.after_request(add_headers)


def _record_refused(origin: str) -> None:
    """Record an origin for the line of the request in the log, unless the page is our own."""
    if origin not in {request.host_url.rstrip("/"), current_settings().public_url}:
        is_site = _LOGGED_ORIGIN.fullmatch(origin) is not None
        request_state().refused_origin = origin if is_site else _OTHER_ORIGIN


def _answer_preflight() -> Response | None:
    """Answer a preflight from an allowed origin. Flask answers all other OPTIONS requests."""
    is_preflight = (
        request.method == "OPTIONS"
        and request.url_rule is not None
        and "Access-Control-Request-Method" in request.headers
        and request.headers.get("Origin") in current_settings().cors_origins
    )
    if not is_preflight:
        return None
    answer = current_app.make_default_options_response()
    answer.status_code = HTTPStatus.NO_CONTENT
    answer.headers["Access-Control-Allow-Methods"] = answer.headers["Allow"]
    answer.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
    answer.headers["Access-Control-Max-Age"] = PREFLIGHT_MAX_AGE_SECONDS
    return answer
