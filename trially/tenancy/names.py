"""Slugs that people see, and the opaque names that PostgreSQL's catalogs show to every role."""

import re
import secrets

from trially.errors import OperatorError

SLUG = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]\Z")

RESERVED_SLUGS = frozenset(
    """
    about account admin administrator api app apps assets auth authress billing blog cdn console
    dashboard demo dev-issuer docs download email favicon fhir ftp graphql health healthz help
    home host id imports internal legal livez localhost login logout mail me media metrics
    new no-reply noreply null oauth oidc openapi openid operations ops patients postgres
    pricing privacy public readyz recruiting register root search security settings sign-in
    sign-up signin signup silo sites smtp ssl staging static status studies support system
    template tenant tenants terms test trially undefined user users v1 v2 webhook webhooks www
    """.split()  # noqa: SIM905
)


class InvalidSlugError(OperatorError):
    """A slug cannot be used, whoever asks."""


def check_slug(slug: str) -> str:
    """Return `slug`, or raise `InvalidSlugError` with a sentence that says why not."""
    if not SLUG.match(slug):
        raise InvalidSlugError(
            f"{slug!r} is not a slug: 3 to 40 lower-case letters, digits and hyphens, "
            "beginning with a letter and not ending with a hyphen."
        )
    if slug in RESERVED_SLUGS:
        raise InvalidSlugError(f"{slug!r} is reserved.")
    return slug


def opaque_name(prefix: str = "t") -> str:
    """Return a new name for a database, schema or role that tells nothing: `t_<12 hex>`."""
    return f"{prefix}_{secrets.token_hex(6)}"
