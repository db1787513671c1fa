"""The URL at which `flask demo serve` serves, recorded for the other commands of the machine.

A token of `flask tenants token` must name the issuer as the running server names it, so commands
need the port that the server was started with.
"""

import re
from pathlib import Path

from trially.config.private_files import replace_file
from trially.config.settings import DEFAULT_PUBLIC_URL

FILE = "served-url"
LOOPBACK_URL = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}", re.ASCII)


def record_served_url(instance: Path, url: str) -> None:
    """Record the URL of the server that is about to serve an instance."""
    replace_file(instance / FILE, f"{url}\n")


def read_served_url(instance: Path) -> str:
    """Return the URL that an instance was last served at, or the default of the public URL."""
    try:
        recorded = (instance / FILE).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return DEFAULT_PUBLIC_URL
    return recorded if LOOPBACK_URL.fullmatch(recorded) else DEFAULT_PUBLIC_URL
