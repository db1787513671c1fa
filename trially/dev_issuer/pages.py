"""The built-in issuer's endpoints, its login page and its sign-out page."""

from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Response, render_template, request

from trially.auth.permissions import public
from trially.auth.signing_keys import DISCOVERY_PATH
from trially.dev_issuer.discovery import describe_issuer
from trially.dev_issuer.issuer import DevIssuer
from trially.dev_issuer.login_page import build_page
from trially.dev_issuer.people import PeopleUnavailableError
from trially.dev_issuer.refusal_log import record_refusal
from trially.dev_issuer.request_faults import (
    LOGIN_PARAMETERS,
    UnusableRequestError,
    check_authorization_request,
    check_redirect_uri,
    check_token_request,
)
from trially.dev_issuer.server import DevServer
from trially.dev_issuer.userinfo import describe_caller
from trially.dev_issuer.visitors import (
    allow_own_machine,
    answer_preflight,
    refuse,
    refuse_foreign_forms,
    refuse_strangers,
)

CONTENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; "
    # Browsers apply form-action to the redirect after a form too, and codes go to loopback.
    "form-action 'self' http://localhost:* http://127.0.0.1:* http://[::1]:*"
)
FORBIDDEN_CHARACTERS = "The request contains characters that OAuth forbids."

Answer = Response | tuple[str, int] | str


def create_pages(issuer: DevIssuer) -> Blueprint:
    """Return the blueprint that serves an issuer at the path of the issuer's URL."""
    pages = Blueprint(
        "dev_issuer",
        __name__,
        url_prefix=urlsplit(issuer.url).path or None,
        template_folder="templates",
    )
    pages.before_request(refuse_strangers)
    pages.before_request(refuse_foreign_forms)
    pages.before_request(answer_preflight)
    pages.after_request(_add_headers)
    pages.after_request(allow_own_machine)
    pages.register_error_handler(PeopleUnavailableError, _refuse_unavailable)
    pages.register_error_handler(UnusableRequestError, _show_fault)
    server = DevServer(issuer)

    @pages.get(DISCOVERY_PATH)
    @public
    def discovery() -> dict[str, Any]:
        """Describe the issuer (OpenID Connect Discovery)."""
        return describe_issuer(issuer)

    @pages.get("/jwks")
    @public
    def list_keys() -> dict[str, Any]:
        """List the issuer's public keys."""
        return issuer.public_keys()

    @pages.route("/authorize", methods=["GET", "POST"])
    @public
    def authorize() -> Answer:
        """Show the people to sign in as, then redirect the browser with a code."""
        return _authorize(server, issuer)

    @pages.post("/token")
    @public
    def issue_token() -> Response | tuple[dict[str, str], int]:
        """Exchange a code, a refresh token or a machine client's secret for an access token."""
        return _issue_token(server)

    @pages.route("/userinfo", methods=["GET", "POST"])
    @public
    def userinfo() -> Response:
        """Describe the person whose access token the request has."""
        return describe_caller(issuer)

    @pages.route("/end-session", methods=["GET", "POST"])
    @public
    def end_session() -> Answer:
        """Sign a person out, then redirect the browser to the web app."""
        return _end_session(server)

    return pages


def _authorize(server: DevServer, issuer: DevIssuer) -> Answer:
    try:
        check_authorization_request(request.values)
        grant = server.get_consent_grant()
    except OAuth2Error as error:
        return server.handle_error_response(None, error)
    except ValueError as error:
        raise UnusableRequestError(FORBIDDEN_CHARACTERS, "") from error
    if request.method == "GET":
        return render_template(
            "dev_issuer/login.html",
            page=build_page(
                issuer.people, request.args.get("search", ""), request.args.get("tenant", "")
            ),
            parameters=[(name, request.args.get(name, "")) for name in LOGIN_PARAMETERS],
            issuer=issuer.url,
        )
    person = issuer.people.find(request.form.get("subject", ""), request.form.get("tenant"))
    response: Response = server.create_authorization_response(grant_user=person, grant=grant)
    return response


def _issue_token(server: DevServer) -> Response | tuple[dict[str, str], int]:
    try:
        check_token_request(request.form, request.authorization)
        response: Response = server.create_token_response()
    except OAuth2Error as error:
        return server.handle_error_response(None, error)
    # Authlib quotes values in errors, and raises ValueError for forbidden characters.
    except ValueError:
        return refuse(FORBIDDEN_CHARACTERS)
    return response


def _end_session(server: DevServer) -> Answer:
    uri = request.values.get("post_logout_redirect_uri", "")
    if uri:
        check_redirect_uri("post_logout_redirect_uri", uri)
    try:
        wanted = server.validate_endpoint_request("end_session")
    except (OAuth2Error, ValueError) as error:
        reason = getattr(error, "description", FORBIDDEN_CHARACTERS)
        raise UnusableRequestError(reason, "Send the ID token of the sign-in to end.") from error
    response: Response | None = server.create_endpoint_response("end_session", wanted)
    # Without an ID token, the user decides whether to follow the link.
    return response or render_template("dev_issuer/signed_out.html", uri=uri)


def _show_fault(error: UnusableRequestError) -> tuple[str, int]:
    """Show the browser what is wrong with a request that must not be redirected."""
    record_refusal("invalid_request", error.reason)
    is_sign_out = request.path.endswith("/end-session")
    return render_template("dev_issuer/refusal.html", fault=error, is_sign_out=is_sign_out), 400


def _refuse_unavailable(_error: PeopleUnavailableError) -> tuple[dict[str, str] | str, int]:
    error = "temporarily_unavailable"
    description = "The database of the tenant does not answer. The log says why."
    record_refusal(error, description)
    if request.path.endswith("/authorize"):
        fault = UnusableRequestError(description, "")
        return render_template("dev_issuer/refusal.html", fault=fault), 503
    return {"error": error, "error_description": description}, 503


def _add_headers(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = CONTENT_POLICY
    # With `no-referrer`, browsers send `Origin: null` with the login form.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
