"""What the translation of one resource needs to know, and the elements that it cannot read."""

import datetime as dt
from zoneinfo import ZoneInfo

from trially.recruiting.imports.fhir.rows import ResourceError

UTC = ZoneInfo("UTC")
MOST_FAULTS = 100
"""Most faults of one resource. Further ones are not listed."""


class Reading:
    """The translation of one resource.

    `zone` is the time zone of times without a UTC offset. Dates after `today` are in the future.
    """

    __slots__ = ("faults", "today", "zone")

    def __init__(self, zone: ZoneInfo = UTC, today: dt.date | None = None) -> None:
        self.zone = zone
        self.today = today or dt.datetime.now(dt.UTC).date()
        self.faults: list[ResourceError] = []

    def lose(self, element: str, problem: str) -> None:
        """Record an element that is left out, and why. The rest of the resource is kept."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(ResourceError(element, problem))
