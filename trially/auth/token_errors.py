"""Why a bearer token is rejected."""

from collections.abc import Mapping

HINTS: Mapping[str, str] = {
    "bad_audience": "The claim `aud` is missing, or is not text or a list of texts.",
    "bad_exp": "The claim `exp` is missing, or is not a number.",
    "bad_header": "The header `x5t`, `x5t#S256` or `cty` is not text.",
    "bad_iat": "The claim `iat` is missing, or is not a number.",
    "bad_kid": "The header `kid` is missing, or is not text of 1 to 255 printable characters.",
    "bad_lifetime": "The time from `iat` to `exp` is longer than the issuer's profile allows, or"
    " `exp` is not after `iat`.",
    "bad_nbf": "The claim `nbf` is not a number.",
    "bad_signature": "The signature does not fit the issuer's key with this `kid`.",
    "bad_subject": "The claim `sub` is missing, or is not 1 to 255 printable ASCII characters. For"
    " a machine client that signs its own tokens, `sub` must be the client's id.",
    "expired_api_key": "The API key has expired. Create another one.",
    "expired": "The time in `exp` is past. Get a new token.",
    "keys_unavailable": "The issuer's keys cannot be fetched now. Check that the issuer runs.",
    "malformed_api_key": "An API key is `trk_` and 92 letters and digits."
    " Compare it with the key that was shown when it was created.",
    "malformed": "It is not a signed JWT: three parts in base64url, separated by dots, of which the"
    " first two are JSON objects.",
    "missing": "The request has no header `Authorization`, or no token in it. Send"
    " `Authorization: Bearer <token>`.",
    "not_yet_valid": "The time in `iat` or `nbf` is in the future. Compare the clocks.",
    "revoked": "It was issued before the tenant's tokens were revoked. Sign in again.",
    "too_large": "It is larger than 8192 bytes.",
    "two_audiences": "The claim `aud` names the platform API and the API of tenants, or the own"
    " issuers of two tenants. A token is for one of them.",
    "unknown_api_key": "No tenant has this API key, or the tenant is suspended. It may have been"
    " revoked, or its member removed.",
    "unknown_client": "The issuer has no such machine client.",
    "unknown_header": "Its header has a name other than `alg`, `typ`, `kid`, `x5t`, `x5t#S256` and"
    " `cty`.",
    "unknown_issuer": "The claim `iss` is none of the trusted issuers. Compare the scheme, the host"
    " and the port with the issuer's discovery document.",
    "unknown_key": "The issuer has no key with this `kid`. Its keys may have changed since then.",
    "wrong_algorithm": "The header `alg` is not the algorithm of the key, or is not accepted.",
    "wrong_audience": "The claim `aud` names another API.",
    "wrong_scheme": "The header `Authorization` does not begin with `Bearer`. Send"
    " `Authorization: Bearer <token>`.",
    "wrong_type": "The header `typ` is not `at+jwt`. An ID token is not an access token.",
}
"""For each reason, a sentence for the developer of a client."""

REASONS = frozenset(HINTS)
"""The reasons for which tokens are rejected."""


class TokenError(Exception):
    """A token is rejected.

    `reason` is a short code for the server's log. It is not part of the response, which is a 401.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnverifiableTokenError(TokenError):
    """A token can be neither accepted nor rejected now, because its issuer's keys are unknown.

    `issuer` is the profile's. The response is a 503.
    """

    def __init__(self, issuer: str) -> None:
        super().__init__("keys_unavailable")
        self.issuer = issuer
