"""Durations as operators write them."""

import re
from typing import Any

import click

_DURATION = re.compile(r"([1-9]\d{0,4})(ms|s|m|h|d)\Z")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType[float]):
    """A duration such as 100ms, 10s, 5m, 1h or 2d, in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the duration in seconds."""
        if isinstance(value, int | float):
            return float(value)
        match = _DURATION.match(str(value))
        if match is None:
            self.fail(f"{value!r} is not a duration. Write one such as 10s, 5m or 1h.", param, ctx)
        return int(match[1]) * _SECONDS[match[2]]


def describe_seconds(seconds: float) -> str:
    """Return a time for people, such as 40 s, 5 min or 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
