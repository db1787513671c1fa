"""Names that the tests of the request cycle share."""

from collections.abc import Callable
from typing import Any

from members import Member

CANARY = "Ada Canary 4711"
"""A value that no response and no log line may contain."""

ReplaceView = Callable[[Callable[[], Any]], None]


def sites(member: Member) -> list[str]:
    """Return the names of the tenant's sites."""
    return [site["name"] for site in member.get("/sites").json["data"]]
