"""The built-in issuer's endpoints and its login page."""

from ipaddress import ip_address
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Response, render_template, request

from trially.auth.permissions import public
from trially.auth.signing_keys import DISCOVERY_PATH
from trially.config import LOOPBACK_HOSTS
from trially.dev_issuer.clients import SCOPES
from trially.dev_issuer.issuer import DevIssuer, Person
from trially.dev_issuer.server import DevServer

LOGIN_PARAMETERS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)
FORWARDING_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
"""Headers of a proxy. Its client may be anywhere."""

CONTENT_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; "
    # Browsers apply form-action to the redirect after a form too, and codes go to loopback. A
    # source cannot be an IPv6 address.
    "frame-ancestors 'none'; form-action 'self' http://localhost:* http://127.0.0.1:*"
)


def create_pages(issuer: DevIssuer) -> Blueprint:
    """Return the blueprint that serves an issuer at the path of the issuer's URL."""
    pages = Blueprint(
        "dev_issuer",
        __name__,
        url_prefix=urlsplit(issuer.url).path or None,
        template_folder="templates",
    )
    pages.before_request(_refuse_strangers)
    pages.before_request(_refuse_foreign_forms)
    pages.after_request(_add_headers)
    server = DevServer(issuer)

    @pages.get(DISCOVERY_PATH)
    @public
    def describe_issuer() -> dict[str, Any]:
        """Describe the issuer (OpenID Connect Discovery)."""
        return _describe(issuer)

    @pages.get("/jwks")
    @public
    def list_keys() -> dict[str, Any]:
        """List the issuer's public keys."""
        return issuer.public_keys()

    @pages.route("/authorize", methods=["GET", "POST"])
    @public
    def authorize() -> Response | tuple[str, int] | str:
        """Show the people to sign in as, then redirect the browser with a code."""
        return _authorize(server, issuer)

    @pages.post("/token")
    @public
    def issue_token() -> Response | tuple[dict[str, str], int]:
        """Exchange a code, or a machine client's secret, for an access token."""
        try:
            return server.create_token_response()  # type: ignore[no-any-return]
        except (OAuth2Error, ValueError):
            return {"error": "invalid_request"}, 400

    return pages


def _authorize(server: DevServer, issuer: DevIssuer) -> Response | tuple[str, int] | str:
    try:
        grant = server.get_consent_grant()
    # Authlib quotes request values in errors, and raises ValueError for forbidden characters.
    except (OAuth2Error, ValueError) as error:
        if getattr(error, "redirect_uri", None):
            return server.handle_error_response(None, error)  # type: ignore[no-any-return]
        return render_template("dev_issuer/refusal.html", reason=_explain(error)), 400
    people = sorted(issuer.people(), key=lambda person: (person.tenant_name, person.tenant))
    if request.method == "GET":
        return render_template(
            "dev_issuer/login.html",
            tenants=[list(group) for _, group in groupby(people, lambda one: one.tenant)],
            parameters=[(name, request.args.get(name, "")) for name in LOGIN_PARAMETERS],
        )
    response: Response = server.create_authorization_response(
        grant_user=_find_person(people), grant=grant
    )
    return response


def _describe(issuer: DevIssuer) -> dict[str, Any]:
    return {
        "issuer": issuer.url,
        "authorization_endpoint": f"{issuer.url}/authorize",
        "token_endpoint": f"{issuer.url}/token",
        "jwks_uri": f"{issuer.url}/jwks",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": [
            "none",
            "client_secret_basic",
            "client_secret_post",
        ],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": list(SCOPES),
        "claims_supported": ["sub", "name", "role", "nonce", issuer.tenant_claim],
    }


def _refuse_strangers() -> tuple[dict[str, str], int] | None:
    """Refuse other machines, proxies that forward for them, and other host names.

    A client chooses the Host that it sends, so only the peer's address shows another machine. The
    host is checked too, because any web site could point its own name at 127.0.0.1.
    """
    is_on_loopback = _is_loopback(request.remote_addr) and not any(
        name in request.headers for name in FORWARDING_HEADERS
    )
    if is_on_loopback and urlsplit(request.host_url).hostname in LOOPBACK_HOSTS:
        return None
    return {"error": "invalid_request"}, 400


def _refuse_foreign_forms() -> tuple[dict[str, str], int] | None:
    """Refuse the login form of another site, which would choose the person for the user."""
    if request.method != "POST" or not request.path.endswith("/authorize"):
        return None
    own_origin = request.host_url.rstrip("/")
    origin = request.headers.get("Origin", own_origin)
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if origin == own_origin and site in {"same-origin", "none"}:
        return None
    return {"error": "invalid_request"}, 400


def _is_loopback(address: str | None) -> bool:
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def _find_person(people: list[Person]) -> Person | None:
    """Return the person in the form. Without a tenant, the first with that subject."""
    subject, tenant = request.form.get("subject"), request.form.get("tenant")
    for person in people:
        if person.subject == subject and (tenant is None or person.tenant == tenant):
            return person
    return None


def _explain(error: Exception) -> str:
    description = getattr(error, "description", "")
    return description or "The request contains characters that OAuth forbids."


def _add_headers(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = CONTENT_POLICY
    # With `no-referrer`, browsers send `Origin: null` with the login form.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    origin = request.headers.get("Origin", "")
    # A browser app on this machine exchanges its own code. The login page is never cross-origin.
    if urlsplit(origin).hostname in LOOPBACK_HOSTS and not request.path.endswith("/authorize"):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.vary.add("Origin")
    return response
