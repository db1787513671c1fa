"""The issuer's metadata (OpenID Connect Discovery 1.0, RFC 8414)."""

from typing import Any

from trially.dev_issuer.clients import MACHINE_GRANTS, SCOPES, WEB_GRANTS
from trially.dev_issuer.issuer import DevIssuer


def describe_issuer(issuer: DevIssuer) -> dict[str, Any]:
    """Return everything that a client library needs besides its client id."""
    return {
        "issuer": issuer.url,
        "authorization_endpoint": f"{issuer.url}/authorize",
        "token_endpoint": f"{issuer.url}/token",
        "userinfo_endpoint": f"{issuer.url}/userinfo",
        "end_session_endpoint": f"{issuer.url}/end-session",
        "jwks_uri": f"{issuer.url}/jwks",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [*WEB_GRANTS, *MACHINE_GRANTS],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": [
            "none",
            "client_secret_basic",
            "client_secret_post",
        ],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": list(SCOPES),
        "claims_supported": [
            *("sub", "name", "email", "role", issuer.tenant_claim),
            *("auth_time", "nonce", "sid"),
        ],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
