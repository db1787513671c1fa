"""Read the times of HL7 v2 in FHIR's notation."""

import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

_TIME = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d\d)(?:(?P<day>\d\d)(?:(?P<hour>\d\d)(?:(?P<minute>\d\d)"
    r"(?:(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?)?)?)?)?\s*(?P<zone>[+-]\d{4})?"
)


@dataclass(frozen=True)
class Clock:
    """The zone of times that name none: of the source, or of the message's MSH-7, or another."""

    zone: ZoneInfo | None = None
    """The zone of the source. It knows summer time, which the offset of a message does not."""
    offset: str | None = None
    fallback: ZoneInfo | None = None

    def read(self, text: str) -> str | None:
        """Return a time in FHIR's notation, as precise as it is; None if it is no time."""
        match = _TIME.fullmatch(text.strip())
        if match is None:
            return None
        parts = match.groupdict()
        if not int(parts["month"] or 1) or not int(parts["day"] or 1):
            return None
        try:
            moment = dt.datetime(  # noqa: DTZ001
                int(parts["year"]),
                int(parts["month"] or 1),
                int(parts["day"] or 1),
                int(parts["hour"] or 0),
                int(parts["minute"] or 0),
                int(parts["second"] or 0),
                int((parts["fraction"] or "").ljust(6, "0")),
            )
        except ValueError:
            return None
        if parts["hour"] is None:
            return "-".join(text for text in (parts["year"], parts["month"], parts["day"]) if text)
        return self._with_zone(moment, parts["zone"])

    def of_message(self, text: str | None) -> "Clock":
        """Return the clock of a message with this MSH-7."""
        match = _TIME.fullmatch(text.strip()) if text else None
        return Clock(self.zone, match["zone"] if match else None, self.fallback)

    def _with_zone(self, moment: dt.datetime, zone: str | None) -> str:
        offset = zone or (self.offset if self.zone is None else None)
        if offset:
            return f"{moment.isoformat()}{offset[:3]}:{offset[3:]}"
        return moment.replace(tzinfo=self.zone or self.fallback).isoformat()
