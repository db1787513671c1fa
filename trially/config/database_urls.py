"""Database URLs from the environment, as SQLAlchemy needs them."""

import re

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from trially.config.errors import SettingsError

DRIVER = "postgresql+psycopg2"
SCHEMES = frozenset({"postgres", "postgresql"})

_AUTHORITY = re.compile(r"((?:[^:/]*(?::[^@]*)?@)?)([^/?]*)(.*)", re.DOTALL)
"""After a URL's scheme: user and password with their `@`, the hosts, and the rest."""


def with_driver(url: str, setting: str = "TRIALLY_DATABASE_URL") -> URL:
    """Return a database URL with psycopg2 as its driver; any other driver in it is replaced.

    SQLAlchemy 2.1 reads a bare `postgresql://` as psycopg 3, and some hosts still issue
    `postgres://`. The URL may name several hosts as libpq does, `postgresql://a:5432,b:5433/db`.
    `setting` is the name that the error shows. Raises `SettingsError`, without the URL in it: the
    URL may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in SCHEMES:
        raise SettingsError(f"{setting} must begin with postgresql://.")
    authority, hosts, end = _AUTHORITY.fullmatch(rest).groups()  # type: ignore[union-attr]
    try:
        if "," not in hosts:
            return make_url(f"{DRIVER}://{rest}")
        parsed = [make_url(f"{DRIVER}://{host}") for host in hosts.split(",")]
        return make_url(f"{DRIVER}://{authority}{end}").update_query_dict(
            {
                "host": ",".join(each.host or "" for each in parsed),
                "port": ",".join(str(each.port or "") for each in parsed),
            }
        )
    except (ArgumentError, ValueError):
        raise SettingsError(
            f"{setting} cannot be parsed. Write it as postgresql://user:password@host:port/database"
            " and percent-encode special characters in the password."
        ) from None
