"""Structured logs: one JSON object to a line, with the request, its tenant and its caller.

What may be said is listed; the rest is left out. An exception is told by its type, its SQLSTATE
and where it was raised, never by its message, and a library's message without what it would fill
in: both quote rows and URLs, and those are PHI.
"""

import datetime as dt
import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

import orjson
import structlog
from flask import has_app_context, has_request_context, request
from flask.logging import default_handler
from structlog.typing import EventDict, WrappedLogger

from trially.state import request_state

LONGEST_CHAIN = 5
FRAMES_SHOWN = 8
NO_ROUTE = "none"
OURS = "trially"
POOLS = "trially.database.budget"
"""SQLAlchemy's logger of our pools: it is named as their class is, and speaks as a library."""

_TALKATIVE = {
    "authlib": logging.INFO,
    "sqlalchemy": logging.WARNING,
    "werkzeug": logging.WARNING,
    POOLS: logging.WARNING,
}
"""Loggers that at a lower level would write tokens, URLs or statements."""

_PROCESS = ("gunicorn.error",)
"""Loggers that have handlers of their own until they are taken away."""

_TOLD_APART = ["method", "status", "ms", "bytes", "statement"]
"""What a log call of ours may tell in fields of their own, by `extra`."""

requests_log = logging.getLogger("trially.requests")
"""One line for each request."""


def configure(
    *, level: str = "INFO", is_for_people: bool = False, stream: TextIO | None = None
) -> None:
    """Send everything that is logged in this process to standard error.

    For servers: commands and tests leave logging as it is. Doing it again replaces what was.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(is_for_people=is_for_people))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.getLogger(OURS).removeHandler(default_handler)
    for name in _PROCESS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    for name, lowest in _TALKATIVE.items():
        logging.getLogger(name).setLevel(max(root.level, lowest))


def route_of_request() -> str:
    """Return the template of the request's URL, which names arguments and has none."""
    return request.url_rule.rule if request.url_rule is not None else NO_ROUTE


def describe_exceptions(error: BaseException) -> Iterator[dict[str, Any]]:
    """Describe an exception and what it came from, outermost first, without their messages."""
    link: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if link is None:
            return
        frames = traceback.extract_tb(link.__traceback__)[-FRAMES_SHOWN:]
        described: dict[str, Any] = {
            "type": f"{type(link).__module__}.{type(link).__qualname__}",
            "raised_at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        }
        if sqlstate := getattr(link, "pgcode", None):
            described["sqlstate"] = sqlstate
        yield described
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


class _JSONFormatter(structlog.stdlib.ProcessorFormatter):
    """structlog's, with a short way for the line that every request writes."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as JSON."""
        if record.name != requests_log.name:
            return super().format(record)
        event = {
            "event": record.msg,
            "timestamp": dt.datetime.fromtimestamp(record.created, dt.UTC),
            "level": "info",
            "logger": record.name,
            **{name: getattr(record, name) for name in _TOLD_APART if hasattr(record, name)},
        }
        return _to_json(_tell_request(None, "info", event))


def _formatter(*, is_for_people: bool) -> logging.Formatter:
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if is_for_people
        else [structlog.processors.JSONRenderer(serializer=_to_json)]
    )
    kind = structlog.stdlib.ProcessorFormatter if is_for_people else _JSONFormatter
    return kind(
        use_get_message=False,
        pass_foreign_args=True,
        foreign_pre_chain=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(_TOLD_APART),
            _fill_in,
            _tell_request,
            _tell_exception,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _fill_in(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Complete a message of ours; of a library's, keep what the library wrote itself."""
    arguments = event.pop("positional_args", None)
    record: logging.LogRecord = event["_record"]
    of_current_tenant = record.name.partition(".")[0] == OURS and not record.name.startswith(POOLS)
    if of_current_tenant or (record.name in _PROCESS and record.levelno <= logging.INFO):
        event["event"] = event["event"] % arguments if arguments else event["event"]
    elif isinstance(record.msg, str):
        event["event"] = record.msg.partition("\n")[0].partition(":")[0]
    else:
        event["event"] = type(record.msg).__name__
    return event


def _tell_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Tell which request, tenant and member this is about.

    Flask's own context holds them, and ends with the request, so no line tells another's.
    """
    if has_request_context():
        event["request_id"] = request_state().request_id
        event["route"] = route_of_request()
    if has_app_context():
        state = request_state()
        if state.placement is not None:
            event["tenant"] = state.placement.tenant_id
        if state.identity is not None:
            event["actor"] = state.identity.member_id
    return event


def _tell_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by what may be said of it."""
    event.pop("stack_info", None)
    raised = event.pop("exc_info", None)
    if raised and raised[1] is not None:
        event["exceptions"] = list(describe_exceptions(raised[1]))
    return event


def _to_json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=_name_type, option=orjson.OPT_UTC_Z).decode()


def _name_type(value: object) -> str:
    """Tell what has no form in JSON by its type: how it describes itself is not ours to know."""
    return type(value).__name__
