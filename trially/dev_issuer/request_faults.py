"""Explain faults of requests in the words of a developer of a client, before Authlib refuses them.

A description that is sent to a client quotes no value, because RFC 6749 allows few characters in
it. The page for the browser may quote values.
"""

import re
from collections.abc import Collection

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    InvalidClientError,
    InvalidRequestError,
    UnauthorizedClientError,
)
from authlib.oidc.core.errors import (
    LoginRequiredError,
    RequestNotSupportedError,
    RequestURINotSupportedError,
)
from werkzeug.datastructures import Authorization, MultiDict

from trially.dev_issuer.clients import (
    MACHINE_GRANTS,
    MACHINE_PREFIX,
    MACHINE_SECRET,
    NO_SECRET,
    WEB_CLIENT_ID,
    WEB_GRANTS,
    Client,
    find_client,
)

LOGIN_PARAMETERS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
    "prompt",
    "max_age",
)
CLIENTS = (
    f"The client of web apps is {WEB_CLIENT_ID}. Machine clients are {MACHINE_PREFIX}SLUG, with the"
    " slug of their tenant; they get tokens without a sign-in."
)
REDIRECT_RULE = (
    "A redirect URI begins with http://localhost, http://127.0.0.1 or http://[::1]. It may have any"
    " port, path and query, and no user name, fragment or backslash."
)
PKCE = "PKCE with S256 (RFC 7636) is required, because the client has no secret."
FORM = "Send the parameters as application/x-www-form-urlencoded."

_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class UnusableRequestError(Exception):
    """A request whose client or redirect URI is wrong: the browser must not be redirected.

    `reason` and `expected` are sentences, and `value` is what was sent.
    """

    def __init__(self, reason: str, expected: str, value: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.expected = expected
        self.value = value


def check_authorization_request(sent: MultiDict[str, str]) -> None:
    """Raise `UnusableRequestError`, or an `OAuth2Error` that is sent to the redirect URI."""
    _check_client(_single(sent, "client_id"))
    redirect_uri = _single(sent, "redirect_uri")
    check_redirect_uri("redirect_uri", redirect_uri)
    error = _find_fault(sent)
    if error is not None:
        error.redirect_uri, error.state = redirect_uri, sent.get("state")
        raise error


def check_redirect_uri(name: str, uri: str) -> None:
    """Raise `UnusableRequestError` if the browser may not be redirected to the parameter `name`."""
    if not uri:
        raise UnusableRequestError(f"The parameter {name} is missing.", REDIRECT_RULE)
    if not Client(WEB_CLIENT_ID).check_redirect_uri(uri):
        raise UnusableRequestError(
            f"The URI in the parameter {name} is not allowed.", REDIRECT_RULE, uri
        )


def check_token_request(form: MultiDict[str, str], authorization: Authorization | None) -> None:
    """Raise an `OAuth2Error` that says what is wrong with a request for a token."""
    twice = _repeated(form, form)
    if twice:
        raise InvalidRequestError(f"The parameter {twice} occurs more than once.")
    grant_type = form.get("grant_type")
    if grant_type not in (*WEB_GRANTS, *MACHINE_GRANTS):
        raise _unsupported_grant(grant_type)
    client = _authenticate(form, authorization)
    if not client.check_grant_type(grant_type):
        allowed = " and ".join(client.grant_types)
        raise UnauthorizedClientError(f"The client may not use the grant_type, but {allowed}.")
    needed = {"authorization_code": ("code", "code_verifier"), "refresh_token": ("refresh_token",)}
    for name in needed.get(grant_type, ()):
        if not form.get(name):
            hint = f" {PKCE}" if name == "code_verifier" else ""
            raise InvalidRequestError(f"The parameter {name} is missing.{hint}")


def _single(sent: MultiDict[str, str], name: str) -> str:
    if _repeated(sent, (name,)):
        raise UnusableRequestError(f"The parameter {name} occurs more than once.", "Send it once.")
    return sent.get(name, "")


def _repeated(sent: MultiDict[str, str], names: Collection[str]) -> str | None:
    """Return the first of these parameters that was sent more than once, or None."""
    return next((name for name in names if len(sent.getlist(name)) > 1), None)


def _check_client(client_id: str) -> None:
    if not client_id:
        raise UnusableRequestError("The parameter client_id is missing.", CLIENTS)
    client = find_client(client_id)
    if client is None:
        raise UnusableRequestError("There is no client with this client_id.", CLIENTS, client_id)
    if not client.is_public:
        raise UnusableRequestError(
            "A machine client cannot sign people in.",
            "It gets tokens at the token endpoint, with grant_type=client_credentials. " + CLIENTS,
            client_id,
        )


def _find_fault(sent: MultiDict[str, str]) -> OAuth2Error | None:
    """Return the first fault that is reported to the client's redirect URI."""
    twice = _repeated(sent, LOGIN_PARAMETERS)
    prompts = sent.get("prompt", "").split()
    if twice:
        return InvalidRequestError(f"The parameter {twice} occurs more than once.")
    if sent.get("request"):
        return RequestNotSupportedError("The parameter request is not supported.")
    if sent.get("request_uri"):
        return RequestURINotSupportedError("The parameter request_uri is not supported.")
    if not sent.get("response_type"):
        return InvalidRequestError("The parameter response_type is missing. It must be code.")
    if sent["response_type"] != "code":
        # Authlib's own class would quote the value.
        return OAuth2Error(
            "The parameter response_type must be code.", error="unsupported_response_type"
        )
    if sent.get("response_mode", "query") not in ("", "query"):
        return InvalidRequestError("The parameter response_mode must be query, or be left out.")
    if not sent.get("code_challenge"):
        return InvalidRequestError(f"The parameter code_challenge is missing. {PKCE}")
    if sent.get("code_challenge_method") != "S256":
        return InvalidRequestError(f"The parameter code_challenge_method must be S256. {PKCE}")
    if not _CHALLENGE.fullmatch(sent["code_challenge"]):
        return InvalidRequestError(
            "The parameter code_challenge must be the SHA-256 of the code_verifier in base64url."
        )
    if prompts == ["none"]:
        return LoginRequiredError("This issuer shows its login page at each sign-in.")
    return InvalidRequestError("prompt=none excludes others.") if "none" in prompts else None


def _unsupported_grant(grant_type: str | None) -> OAuth2Error:
    problem = "is not supported" if grant_type else "is missing"
    supported = f"It must be one of {', '.join((*WEB_GRANTS, *MACHINE_GRANTS))}."
    hint = "" if grant_type else f" {FORM}"
    # Authlib's own class would quote the value.
    return OAuth2Error(
        f"The parameter grant_type {problem}. {supported}{hint}", error="unsupported_grant_type"
    )


def _authenticate(form: MultiDict[str, str], authorization: Authorization | None) -> Client:
    """Return the client, or raise `InvalidClientError`: with 401 if it used HTTP authentication."""
    is_basic = authorization is not None and authorization.type == "basic"
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if is_basic and authorization is not None:
        client_id, secret = authorization.username, authorization.password
    client = find_client(client_id or "")
    if not client_id:
        problem = f"The parameter client_id is missing. {CLIENTS}"
    elif client is None:
        problem = f"There is no client with this client_id. {CLIENTS}"
    elif client.is_public and secret and not (is_basic and secret in NO_SECRET):
        problem = (
            f"The client {WEB_CLIENT_ID} has no secret. Send client_id in the form and no secret:"
            " token_endpoint_auth_method is none."
        )
    elif not client.is_public and not client.check_client_secret(secret or ""):
        problem = (
            f"The client secret is missing or wrong. Each machine client has {MACHINE_SECRET}, sent"
            " by client_secret_basic or client_secret_post."
        )
    else:
        return client
    raise InvalidClientError(problem, status_code=401 if is_basic else 400)
