"""Log lines for a person at a terminal: short, in the order in which one reads them."""

from collections.abc import Iterator
from typing import Any

from structlog.typing import EventDict, WrappedLogger

LONGEST_STATEMENT = 60
HIDDEN = frozenset({"event", "timestamp", "level", "logger", "exceptions", "tenant", "actor"})
"""Fields that are shown otherwise, or whose ids tell a person nothing."""

YELLOW, RED, PLAIN = "\x1b[33m", "\x1b[31m", "\x1b[0m"
COLOURS = {"warning": YELLOW, "error": RED, "critical": RED}
FIRST_FAILURE = 400


def render_for_people(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Return an event as one line, and an exception on the lines below."""
    time = str(event.get("timestamp", ""))[11:19]
    level = str(event.get("level", "info"))
    text = (
        _describe_request(event)
        if event.get("event") == "request"
        else _describe_event(event, level)
    )
    colour = COLOURS.get(level) or (RED if event.get("status", 0) >= FIRST_FAILURE else "")
    line = f"{time} {colour}{text}{PLAIN}" if colour else f"{time} {text}"
    return "\n".join([line, *_describe_exceptions(event)])


def _describe_request(event: EventDict) -> str:
    """Return the line of a request. A failed one shows its id, which the answer has too."""
    words = [
        str(event.get("status", "")),
        str(event.get("method", "")),
        str(event.get("route", "")),
        f"{event.get('ms', 0):.0f} ms",
        str(event.get("slug", "")),
        str(event.get("request_id", "")) if event.get("status", 0) >= FIRST_FAILURE else "",
    ]
    return " ".join(filter(None, words))


def _describe_event(event: EventDict, level: str) -> str:
    """Return the line of another event: its sentence, then its fields."""
    prefix = "" if level == "info" else f"{level}: "
    fields = [f"{name}={_shorten(value)}" for name, value in event.items() if name not in HIDDEN]
    return " ".join([f"{prefix}{event.get('event', '')}", *fields])


def _shorten(value: Any) -> str:
    text = f"{value:.0f}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_STATEMENT else f"{text[:LONGEST_STATEMENT]}…"


def _describe_exceptions(event: EventDict) -> Iterator[str]:
    for exception in event.get("exceptions", ()):
        sqlstate = f" (SQLSTATE {exception['sqlstate']})" if "sqlstate" in exception else ""
        yield f"  {exception['type']}{sqlstate}"
        yield from (f"    {place}" for place in exception["raised_at"])
