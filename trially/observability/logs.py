"""Structured logs: one JSON object to a line, with the request, its tenant and its caller.

An exception is told by its type, its SQLSTATE and where it was raised, never by its message: a
driver's messages quote rows, and rows are PHI.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

Exception_ = tuple[type[BaseException], BaseException, TracebackType | None]

LONGEST_CHAIN = 5
_QUIET = {"authlib": logging.INFO, "werkzeug": logging.WARNING, "sqlalchemy": logging.WARNING}
"""Loggers that at a lower level would write tokens, URLs or statements."""


def configure(*, level: int = logging.INFO) -> None:
    """Send everything that is logged in this process to standard error, as JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        tell_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, lowest in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, lowest))


def tell_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by what may be said of it."""
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    if isinstance(raised, BaseException):
        raised = (type(raised), raised, raised.__traceback__)
    if raised and raised[1] is not None:
        event["exceptions"] = list(describe_exceptions(raised[1]))
    return event


def describe_exceptions(error: BaseException) -> Iterator[dict[str, Any]]:
    """Describe an exception and what it came from, outermost first, without their messages."""
    link: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if link is None:
            return
        frames = traceback.extract_tb(link.__traceback__)
        described: dict[str, Any] = {
            "type": f"{type(link).__module__}.{type(link).__qualname__}",
            "raised_at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]],
        }
        if sqlstate := getattr(link, "pgcode", None):
            described["sqlstate"] = sqlstate
        yield described
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _to_json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=str).decode()
