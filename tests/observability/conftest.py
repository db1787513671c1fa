"""Logs in the format of a server."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from trially.observability import logs


@pytest.fixture
def written() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Log as a server does, at DEBUG, and return the lines of this thread.

    Threads of apps that other tests have made may log meanwhile.
    """
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    names = (*logs._LOWEST_LEVELS, *logs._SERVER_LOGGERS)
    levels = {name: logging.getLogger(name).level for name in names}
    stream = io.StringIO()
    logs.configure(level="DEBUG", stream=stream)
    here = threading.get_ident()
    for handler in root.handlers:
        handler.addFilter(lambda record: record.thread == here)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers = handlers
    root.setLevel(level)
    for name, lowest in levels.items():
        logging.getLogger(name).setLevel(lowest)
