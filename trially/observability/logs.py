"""Structured logs: one JSON object per line, with the request, its tenant and its member.

The fields of a line are an allow-list. An exception is logged by its type, its SQLSTATE and the
places in the code, never by its message. A library's message is logged without its arguments. Both
would quote rows and URLs, which may hold PHI.
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

from trially.observability.terminal_lines import render_for_people
from trially.request_state import request_state

LONGEST_CHAIN = 5
FRAMES_SHOWN = 8
NO_ROUTE = "none"
OURS = "trially"
POOLS = "trially.database.budget"
"""SQLAlchemy names its pool logger after our pool's class, but its messages are a library's."""

_LOWEST_LEVELS = {
    "authlib": logging.INFO,
    "sqlalchemy": logging.WARNING,
    "werkzeug": logging.WARNING,
    POOLS: logging.WARNING,
}
"""Lowest level of loggers that would write tokens, URLs or statements below it."""

_SERVER_LOGGERS = ("gunicorn.error",)
"""Loggers with handlers of their own, which `configure` removes."""

_EXTRA_FIELDS = [
    *("method", "status", "ms", "bytes", "refusal", "refused_origin"),
    *("statement", "tenant_filter", "code", "sqlstate", "bind_key"),
]
"""Fields that our own log calls may add by `extra`."""

requests_log = logging.getLogger("trially.requests")
"""The logger of the line for each request."""


def configure(
    *, level: str = "INFO", is_for_people: bool = False, stream: TextIO | None = None
) -> None:
    """Send all log records of this process to `stream`, standard error by default.

    Only servers call this; commands and tests keep Python's defaults. A second call replaces the
    first one's configuration. With `is_for_people`, lines are formatted for a terminal.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(is_for_people=is_for_people))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.getLogger(OURS).removeHandler(default_handler)
    for name in _SERVER_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    for name, lowest in _LOWEST_LEVELS.items():
        logging.getLogger(name).setLevel(max(root.level, lowest))


def route_of_request() -> str:
    """Return the template of the request's URL: it has the names of arguments, not their values."""
    return request.url_rule.rule if request.url_rule is not None else NO_ROUTE


def route_of_context() -> str:
    """Return the template of the request's URL, `job KIND` in a job, or `none` in a command."""
    if has_request_context():
        return route_of_request()
    actor = request_state().actor if has_app_context() else None
    return NO_ROUTE if actor is None else actor.form.route


def describe_exceptions(error: BaseException) -> Iterator[dict[str, Any]]:
    """Describe an exception and its causes, outermost first, without their messages."""
    link: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if link is None:
            return
        frames = traceback.extract_tb(link.__traceback__)[-FRAMES_SHOWN:]
        description: dict[str, Any] = {
            "type": f"{type(link).__module__}.{type(link).__qualname__}",
            "raised_at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        }
        if sqlstate := getattr(link, "pgcode", None):
            description["sqlstate"] = sqlstate
        yield description
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


class _JSONFormatter(structlog.stdlib.ProcessorFormatter):
    """structlog's formatter, with a shorter and faster path for the line of each request."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON."""
        if record.name != requests_log.name:
            return super().format(record)
        event = {
            "event": record.msg,
            "timestamp": dt.datetime.fromtimestamp(record.created, dt.UTC),
            "level": "info",
            "logger": record.name,
            **{name: getattr(record, name) for name in _EXTRA_FIELDS if hasattr(record, name)},
        }
        return _to_json(_add_request(None, "info", event))


def _formatter(*, is_for_people: bool) -> logging.Formatter:
    last: list[Any] = (
        [render_for_people]
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
            structlog.stdlib.ExtraAdder(_EXTRA_FIELDS),
            _complete_message,
            _add_request,
            _add_exception,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _complete_message(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Fill the arguments into a message of ours; keep only the constant part of a library's."""
    args = event.pop("positional_args", None)
    record: logging.LogRecord = event["_record"]
    is_ours = record.name.partition(".")[0] == OURS and not record.name.startswith(POOLS)
    if is_ours or (record.name in _SERVER_LOGGERS and record.levelno <= logging.INFO):
        event["event"] = event["event"] % args if args else event["event"]
    elif isinstance(record.msg, str):
        event["event"] = record.msg.partition("\n")[0].partition(":")[0]
    else:
        event["event"] = type(record.msg).__name__
    return event


def _add_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the request, tenant and member.

    They come from Flask's context, which ends with the request. So no line has another request's.
    """
    if has_request_context():
        event["request_id"] = request_state().request_id
    if has_app_context():
        state = request_state()
        if has_request_context() or state.actor is not None:
            event["route"] = route_of_context()
        if state.placement is not None:
            event["tenant"] = state.placement.tenant_id
        if state.tenant is not None:
            event["slug"] = state.tenant.slug
        if state.identity is not None:
            event["actor"] = state.identity.member_id
            if state.identity.acting_for is not None:
                event["support_grant"] = state.identity.acting_for
    return event


def _add_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its description without messages."""
    event.pop("stack_info", None)
    exc_info = event.pop("exc_info", None)
    if exc_info and exc_info[1] is not None:
        event["exceptions"] = list(describe_exceptions(exc_info[1]))
    return event


def _to_json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=_name_type, option=orjson.OPT_UTC_Z).decode()


def _name_type(value: object) -> str:
    """Return the type of a value that JSON cannot represent: its text might hold PHI."""
    return type(value).__name__
