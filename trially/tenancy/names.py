"""Slugs of tenants, other texts that operators type, and opaque names in databases."""

import re
import secrets
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trially.errors import OperatorError
from trially.plain_text import is_plain
from trially.slugs import SLUG_PATTERN

_SLUG = re.compile(rf"{SLUG_PATTERN}\Z")

RESERVED_SLUGS = frozenset(
    """
    about account admin administrator api app apps assets auth authress billing blog cdn console
    dashboard demo dev-issuer docs download email favicon fhir ftp graphql health healthz help
    home host id imports internal invitations legal livez localhost login logout mail me media
    members metrics new no-reply noreply null oauth oidc openapi openid operations ops
    organisations patients platform postgres pricing privacy public readyz recruiting register
    root scim search security settings sign-in sign-up signin signup silo sites smtp ssl staging
    static status studies support system template tenant tenants terms test trially undefined
    user users v1 v2 webhook webhooks www
    """.split()  # noqa: SIM905
)


class UnsafeTextError(OperatorError):
    """A text is blank or too long, or has characters that change how it is read."""


class InvalidSlugError(OperatorError):
    """The slug has the wrong form, or it is reserved."""


class UnknownTimeZoneError(OperatorError):
    """The name is not that of an IANA time zone."""


class UnknownTenantError(OperatorError):
    """The tenant does not exist, is still being provisioned, or is not served by this instance."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"The tenant {reference!r} does not exist. `flask tenants list` shows all tenants."
        )


def check_slug(slug: str) -> str:
    """Return `slug` if a tenant may have it, or raise `InvalidSlugError` with the reason."""
    if not _SLUG.match(slug):
        raise InvalidSlugError(
            f"The slug {slug!r} is invalid. A slug has 3 to 40 lower-case letters, digits and"
            " hyphens, begins with a letter and does not end with a hyphen."
        )
    if slug in RESERVED_SLUGS:
        raise InvalidSlugError(f"The slug {slug!r} is reserved. Choose another one.")
    return slug


def check_time_zone(name: str) -> str:
    """Return the name of an IANA time zone, or raise `UnknownTimeZoneError`."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise UnknownTimeZoneError(
            f"The time zone {name[:64]!r} is unknown. Use a name of the IANA time zone database,"
            " such as America/Chicago."
        ) from None
    return name


def check_line(text: str, what: str, longest: int) -> str:
    """Return a text that an operator typed, or raise `UnsafeTextError` with the reason."""
    if not text.strip():
        raise UnsafeTextError(f"{what} is blank.")
    if len(text) > longest:
        raise UnsafeTextError(f"{what} has {len(text)} characters. At most {longest} are allowed.")
    if not is_plain(text):
        raise UnsafeTextError(
            f"{what} has control characters, or characters that set the text direction. Remove"
            " them."
        )
    return text


def opaque_name(prefix: str = "t") -> str:
    """Return a random name for a database, schema or role: `<prefix>_<12 hex digits>`.

    Every PostgreSQL role can read these names, so they must not reveal the tenant.
    """
    return f"{prefix}_{secrets.token_hex(6)}"
