"""The userinfo endpoint (OpenID Connect Core 1.0, 5.3)."""

from http import HTTPStatus
from typing import Any

from flask import Response, jsonify, request

from trially.auth.token_errors import HINTS, TokenError
from trially.auth.tokens import verify_token
from trially.dev_issuer.issuer import DevIssuer
from trially.dev_issuer.people import Person
from trially.dev_issuer.refusal_log import record_refusal
from trially.request_state import request_state

NO_MEMBER = "The person of the access token is not a member of its tenant."
NO_SCOPE = "The access token does not have the scope openid."
NO_TOKEN = "Send the access token as: Authorization: Bearer <token>."  # noqa: S105


def describe_caller(issuer: DevIssuer) -> Response:
    """Return the claims about the person whose access token the request has."""
    scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    if not raw or scheme.lower() != "bearer":
        return _refuse(None, NO_TOKEN)
    profile = issuer.profile()
    try:
        claims = verify_token(raw, {profile.issuer: profile}).claims
    except TokenError as error:
        response = _refuse("invalid_token", HINTS[error.reason])
        request_state().refusal = error.reason
        return response
    scope = str(claims.get("scope", ""))
    if "openid" not in scope.split():
        return _refuse("insufficient_scope", NO_SCOPE, HTTPStatus.FORBIDDEN)
    person = _find_person(issuer, claims)
    if person is None:
        return _refuse("invalid_token", NO_MEMBER)
    return jsonify(issuer.describe(person, scope))


def _find_person(issuer: DevIssuer, claims: Any) -> Person | None:
    tenant = claims.get(issuer.tenant_claim)
    return issuer.people.find(claims["sub"], tenant) if isinstance(tenant, str) else None


def _refuse(
    error: str | None, description: str, status: HTTPStatus = HTTPStatus.UNAUTHORIZED
) -> Response:
    """Return the response for a refused token (RFC 6750, 3). `error` is None if it is missing."""
    record_refusal(error or "missing", description)
    response = jsonify({"error": error or "invalid_request", "error_description": description})
    response.status_code = status
    parameters = [] if error is None else [f'error="{error}"', f'error_description="{description}"']
    response.headers["WWW-Authenticate"] = ", ".join(['Bearer realm="dev-issuer"', *parameters])
    return response
