"""Why a bearer token is rejected."""

REASONS = frozenset(
    {
        *("bad_audience", "bad_exp", "bad_header", "bad_iat", "bad_kid", "bad_lifetime"),
        *("bad_nbf", "bad_signature", "bad_subject", "expired", "keys_unavailable", "malformed"),
        *("missing", "not_yet_valid", "revoked", "too_large", "unknown_client", "unknown_header"),
        *("unknown_issuer", "unknown_key", "wrong_algorithm", "wrong_audience", "wrong_type"),
    }
)
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
