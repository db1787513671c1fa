"""What an app needs to verify tokens and to reach its database, as environment variables.

It uses only the standard library, because apps of two virtual environments import it.
"""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

VARIABLE = "PEERS_APP"

READERS = frozenset({"coordinator", "investigator", "monitor", "owner"})
WRITERS = frozenset({"coordinator", "owner"})


@dataclass(frozen=True)
class AppSettings:
    """The settings of one app."""

    database_url: str
    """`postgresql://USER:PASSWORD@/DATABASE?host=FOLDER&port=PORT`."""
    issuer: str
    audience: str
    keys: dict[str, Any]
    """The issuer's JWKS."""

    def to_environment(self) -> dict[str, str]:
        """Return the environment variable that gives an app these settings."""
        return {VARIABLE: json.dumps(asdict(self))}


def settings_of_app() -> AppSettings:
    """Return the settings, in a process that the benchmark has started."""
    return AppSettings(**json.loads(os.environ[VARIABLE]))


def may(role: str, method: str) -> bool:
    """Return whether a member with this role may send requests with this method."""
    return role in (WRITERS if method == "POST" else READERS)
