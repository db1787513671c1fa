"""Who may call the built-in issuer: clients and browsers on this machine."""

from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Response, request

from trially.config import LOOPBACK_HOSTS
from trially.dev_issuer.refusal_log import record_refusal
from trially.http.browsers import ALLOWED_HEADERS, PREFLIGHT_MAX_AGE_SECONDS

FORWARDING_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
"""Headers of a proxy. Its client may be anywhere."""

PAGES = ("/authorize", "/end-session")
"""Endpoints for the address bar of a browser. Scripts of other origins have no use for them."""

Refusal = tuple[dict[str, str], int]


def refuse_strangers() -> Refusal | None:
    """Refuse other machines, proxies that forward for them, and other host names.

    A client chooses the Host that it sends, so only the peer's address shows another machine. The
    host is checked too, because any web site could point its own name at 127.0.0.1.
    """
    forwarding = next((name for name in FORWARDING_HEADERS if name in request.headers), None)
    if not _is_loopback(request.remote_addr):
        return refuse("The built-in issuer answers only clients on its own machine.")
    if forwarding is not None:
        return refuse(
            f"The built-in issuer answers no proxies, and the request has the header {forwarding}."
            " Call the issuer directly."
        )
    if _host_of(request.host_url) not in LOOPBACK_HOSTS:
        return refuse(
            "The built-in issuer answers only at localhost, 127.0.0.1 and [::1]. Use the URL of its"
            " discovery document."
        )
    return None


def refuse_foreign_forms() -> Refusal | None:
    """Refuse the login form of another site, which would choose the person for the user."""
    if request.method != "POST" or not request.path.endswith("/authorize"):
        return None
    own_origin = request.host_url.rstrip("/")
    origin = request.headers.get("Origin", own_origin)
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if origin == own_origin and site in {"same-origin", "none"}:
        return None
    return refuse("Only the issuer's own login page may send this form. Send the browser to it.")


def answer_preflight() -> Response | None:
    """Answer the preflight of a web app on this machine, which exchanges its own code."""
    is_preflight = (
        request.method == "OPTIONS"
        and "Access-Control-Request-Method" in request.headers
        and _may_read_responses()
    )
    if not is_preflight:
        return None
    response = Response(status=HTTPStatus.NO_CONTENT)
    response.headers["Access-Control-Allow-Methods"] = "GET, POST"
    response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
    response.headers["Access-Control-Max-Age"] = PREFLIGHT_MAX_AGE_SECONDS
    return response


def allow_own_machine(response: Response) -> Response:
    """Let web apps on this machine read the response. The login page is never cross-origin."""
    if _may_read_responses():
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = "WWW-Authenticate"
        response.vary.add("Origin")
    return response


def refuse(description: str) -> Refusal:
    """Return an OAuth error that says what is wrong."""
    record_refusal("invalid_request", description)
    return {"error": "invalid_request", "error_description": description}, HTTPStatus.BAD_REQUEST


def _may_read_responses() -> bool:
    is_local = _host_of(request.headers.get("Origin", "")) in LOOPBACK_HOSTS
    return is_local and not request.path.endswith(PAGES)


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_loopback(address: str | None) -> bool:
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
