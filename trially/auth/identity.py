"""Who sends a request, and for which tenant: read from the token and from nothing else."""

import re
from collections.abc import Mapping

from flask import Flask, current_app, g, request

from trially.auth.members import Identity, find_identity
from trially.auth.tokens import Claims, IssuerProfile, TokenError, TokenVerifier
from trially.database.placement import Placement
from trially.http.problems import Forbidden, Unauthorized
from trially.tenancy.directory import Residence, UnknownTenantError, directory

TENANT_HEADER = "X-Tenant-ID"
_REFERENCE = re.compile(r"[a-z0-9-]{3,40}\Z")
"""What a slug or an id looks like."""


def read_claims() -> Claims:
    """Verify the bearer token of the request, or answer 401 without saying what was wrong."""
    scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    if not raw or scheme.lower() != "bearer":
        raise Unauthorized(
            "A bearer token is needed.", headers={"WWW-Authenticate": 'Bearer realm="trially"'}
        )
    verifier: TokenVerifier = current_app.extensions["trially_tokens"]
    try:
        return verifier.verify(raw)
    except TokenError as error:
        current_app.logger.info("A token was refused: %s.", error)
        raise Unauthorized(
            "The token is not valid.",
            headers={"WWW-Authenticate": 'Bearer realm="trially", error="invalid_token"'},
        ) from None


def read_residence(claims: Claims) -> Residence:
    """Return where the tenant that the token is for lives.

    A token without a tenant, an unknown or suspended one, and a header that names another are all
    answered alike: the answer tells nothing about which tenants there are.
    """
    claim = current_app.extensions["trially_settings"].tenant_claim
    reference = claims.claims.get(claim)
    if not isinstance(reference, str) or not _REFERENCE.match(reference):
        raise no_access()
    try:
        residence = directory().find(reference)
    except UnknownTenantError:
        raise no_access() from None
    named = request.headers.get(TENANT_HEADER)
    if named is not None and named not in {residence.slug, str(residence.tenant_id), reference}:
        raise no_access()
    if residence.is_suspended:
        raise no_access()
    return residence


def read_identity(claims: Claims, placement: Placement) -> Identity:
    """Return the member of the current tenant that the token is for."""
    identity = find_identity(placement, claims.iss, claims.sub)
    if identity is None:
        raise no_access()
    return identity


def current_identity() -> Identity:
    """Return who sends the current request."""
    identity: Identity = g.identity
    return identity


def no_access() -> Forbidden:
    """Make the one refusal for every tenant that is not the caller's."""
    return Forbidden("You have no access to this tenant.")


def init_app(app: Flask, profiles: Mapping[str, IssuerProfile]) -> None:
    """Trust these issuers and no others."""
    app.extensions["trially_tokens"] = TokenVerifier(profiles)
