"""Ages as ClinicalTrials.gov writes them: "18 Years", "6 Months", "N/A"."""

import re

_AGE = re.compile(
    r"\s*(?P<number>\d{1,4})\s*(?P<unit>years?|months?|weeks?|days?|hours?|minutes?)\s*",
    re.IGNORECASE | re.ASCII,
)
_DURATIONS = {
    "year": "P{}Y",
    "month": "P{}M",
    "week": "P{}W",
    "day": "P{}D",
    "hour": "PT{}H",
    "minute": "PT{}M",
}
_UNBOUNDED = frozenset({"", "n/a", "na", "none", "no limit"})


class AgeError(ValueError):
    """A text is no age."""


def to_duration(age: str) -> str | None:
    """Return an age as a duration of ISO 8601, or None if the registry says that there is no limit.

    The unit stays: 24 months are not 2 years to everybody. Raises `AgeError`.
    """
    if age.strip().lower() in _UNBOUNDED:
        return None
    match = _AGE.fullmatch(age)
    if match is None:
        raise AgeError(age)
    return _DURATIONS[match["unit"].lower().removesuffix("s")].format(int(match["number"]))
