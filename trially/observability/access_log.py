"""What is told of each request: a line in the log, and counts."""

import logging
import time

from flask import Flask, Response, request

from trially.database.dialect import statement_was_slow
from trially.database.session import engine_registry
from trially.observability.logs import requests_log, route_of_request
from trially.observability.metrics import count_request, pools
from trially.observability.slow_statements import tell_slow_statement
from trially.state import request_state


def init_app(app: Flask) -> None:
    """Observe every request. To be called first: what is asked first is told last."""
    statement_was_slow.connect(tell_slow_statement)
    app.before_request(_start_clock)
    app.after_request(_tell)


def _start_clock() -> None:
    request_state().started_at = time.perf_counter()


def _tell(response: Response) -> Response:
    """Count and log a request by its route's template: its URL is the caller's, and may be PHI."""
    state, now = request_state(), time.perf_counter()
    seconds = now - (state.started_at if state.started_at is not None else now)
    placement = state.placement
    status = response.status_code
    count_request(
        request.method,
        route_of_request(),
        status,
        seconds,
        None if placement is None else placement.tenant_id,
    )
    if pools.is_due():
        pools.tell(engine_registry().budgets())
    if requests_log.isEnabledFor(logging.INFO):
        requests_log.info(
            "request",
            extra={
                "method": request.method,
                "status": status,
                "ms": round(seconds * 1000, 2),
                "bytes": response.content_length,
            },
        )
    return response
