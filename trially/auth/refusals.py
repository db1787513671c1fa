"""The problems of refused callers, with the reason in the log, and in development in the answer."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from flask import current_app

from trially.auth.token_errors import HINTS, REASONS, UnverifiableTokenError
from trially.auth.tokens import TokenVerifier
from trially.config import current_settings
from trially.http.codes import Code
from trially.http.problems import Forbidden, Problem, ServiceUnavailable, Unauthorized
from trially.http.retry_after import retry_after
from trially.observability.metrics import OTHER, tokens_refused_total
from trially.request_state import request_state
from trially.state import app_state
from trially.tenancy.catalog_reader import catalog_reader

REALM = "trially"

_ACCEPTED: Mapping[str, Callable[[TokenVerifier], Sequence[str]]] = {
    "unknown_issuer": TokenVerifier.issuers,
    "wrong_audience": TokenVerifier.audiences,
}
"""The values that this back end accepts, for the reasons where another value was sent."""

_NO_ACCESS_HINT = (
    "The token is valid. Either it is for no tenant, or its tenant does not exist or is suspended,"
    " or the pair of `iss` and `sub` is not a member of the tenant, or the header or path names a"
    " tenant that the token is not for. The field `refusal` in the log"
    " line of this request says which."
)
"""One sentence for all of these reasons: an answer does not reveal which tenants exist."""


def missing_token(reason: str, realm: str = REALM) -> Unauthorized:
    """Return the 401 for a request without a bearer token."""
    return Unauthorized(
        "The request has no bearer token.",
        code=Code.MISSING_TOKEN,
        headers={"WWW-Authenticate": f'Bearer realm="{realm}"'},
        extensions=_record_token(reason),
    )


def invalid_token(
    reason: str, realm: str = REALM, verifier: TokenVerifier | None = None
) -> Unauthorized:
    """Return the one 401 for every invalid token. `verifier` is the one that has rejected it."""
    extensions = _record_token(reason, verifier)
    current_app.logger.info("A token was rejected: %s.", reason)
    return Unauthorized(
        "The token is invalid.",
        code=Code.INVALID_TOKEN,
        headers={"WWW-Authenticate": f'Bearer realm="{realm}", error="invalid_token"'},
        extensions=extensions,
    )


def unknown_key(reason: str) -> Unauthorized:
    """Return the 401 for an API key that no tenant has, or that has expired.

    It takes a fixed time, as a stranger's 403, and is not recorded in any tenant's audit log:
    anonymous callers could otherwise fill it.
    """
    request_state().is_stranger, request_state().actor = True, None
    return invalid_token(reason)


def too_many_unknown_keys() -> ServiceUnavailable:
    """Return the 503 for an API key that cannot be looked up now, because others were unknown."""
    request_state().actor = None
    return ServiceUnavailable(
        "Too many unknown API keys were sent to this server process.",
        code=Code.TOO_MANY_UNKNOWN_KEYS,
        headers=retry_after(Code.TOO_MANY_UNKNOWN_KEYS),
    )


def unverifiable_token(error: UnverifiableTokenError) -> ServiceUnavailable:
    """Return the 503 for a token whose issuer's keys cannot be fetched now."""
    return ServiceUnavailable(
        "The token cannot be verified now, because its issuer's keys cannot be fetched.",
        code=Code.ISSUER_UNAVAILABLE,
        headers=retry_after(Code.ISSUER_UNAVAILABLE, error.issuer),
        extensions=_record_token(error.reason),
    )


def no_access(reason: str = "no_member") -> Problem:
    """Return the one 403 for every tenant that is not the caller's, whether it exists or not.

    `reason` is for the log. While the catalog does not answer, it is the one 503: only known
    tenants could get a 403 then, which would reveal that they exist. It also marks the request, so
    that the request cycle delays the response by a fixed time.
    """
    request_state().refusal = reason
    if catalog_reader().is_away:
        return control_plane_unavailable()
    request_state().is_stranger = True
    return Forbidden(
        "You have no access to this tenant.",
        code=Code.NO_TENANT_ACCESS,
        extensions={"hint": _NO_ACCESS_HINT} if current_settings().development else None,
    )


def tenant_leaving(erase_after: dt.datetime) -> Forbidden:
    """Return the 403 for a member of a tenant whose erasure is ordered."""
    request_state().refusal = "tenant_leaving"
    return Forbidden(
        f"The tenant is suspended, and all of its data will be erased after"
        f" {erase_after:%Y-%m-%d %H:%M} UTC. Until then an operator can bring it back.",
        code=Code.TENANT_LEAVING,
        extensions={"erase_after": erase_after.isoformat()},
    )


def control_plane_unavailable() -> ServiceUnavailable:
    """Return the one 503 for every tenant that cannot be looked up now."""
    request_state().is_stranger = True
    return ServiceUnavailable(
        "The control plane cannot be asked about this tenant now.",
        code=Code.CONTROL_PLANE_UNAVAILABLE,
        headers=retry_after(Code.CONTROL_PLANE_UNAVAILABLE),
    )


def _record_token(reason: str, verifier: TokenVerifier | None = None) -> Mapping[str, str]:
    """Tell operators why a token is refused, and return what the answer in development says."""
    tokens_refused_total.labels(reason if reason in REASONS else OTHER).inc()
    request_state().refusal = reason
    if not current_settings().development:
        return {}
    asked = verifier or app_state().token_verifier
    accepted = _ACCEPTED[reason](asked) if reason in _ACCEPTED else ()
    sentences = [HINTS[reason], *([f"Accepted: {', '.join(accepted)}."] if accepted else [])]
    return {"reason": reason, "hint": " ".join(sentences)}
