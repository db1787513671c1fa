"""One log line and the counts for each request."""

import logging
import time

from flask import Flask, Response, request

from trially.database.dialect import statement_was_slow
from trially.database.engines import engine_registry
from trially.observability.logs import requests_log, route_of_request
from trially.observability.metrics import count_request
from trially.observability.slow_statements import report_slow_statement
from trially.observability.tenant_metrics import count_tenant_request, labels
from trially.observability.usage import usage
from trially.request_state import RequestState, request_state
from trially.state import app_state, state_of


def init_app(app: Flask) -> None:
    """Record every request.

    Must be called before other rooms add handlers: Flask runs `before_request` handlers in order of
    registration and `after_request` handlers in reverse, so this room sees the whole request.
    """
    labels.configure(state_of(app).settings.metrics_tenants)
    statement_was_slow.connect(report_slow_statement)
    app.before_request(_start_clock)
    app.after_request(_record_request)


def _start_clock() -> None:
    request_state().started_at = time.perf_counter()


def _record_request(response: Response) -> Response:
    """Count and log a request under its route's template, because its URL may hold PHI."""
    state, now = request_state(), time.perf_counter()
    seconds = now - (state.started_at if state.started_at is not None else now)
    placement = state.placement
    status = response.status_code
    count_request(request.method, route_of_request(), status, seconds)
    count_tenant_request(None if placement is None else placement.tenant_id, status, seconds)
    if usage.is_due():
        usage.record(engine_registry().budgets(), app_state().bulkheads)
    if requests_log.isEnabledFor(logging.INFO):
        requests_log.info(
            "request",
            extra={
                "method": request.method,
                "status": status,
                "ms": round(seconds * 1000, 2),
                "bytes": response.content_length,
                **_refusal_of(state),
            },
        )
    return response


def _refusal_of(state: RequestState) -> dict[str, str]:
    """Return why the request was refused, and the origin that CORS refused, if so."""
    fields = {"refusal": state.refusal, "refused_origin": state.refused_origin}
    return {name: value for name, value in fields.items() if value is not None}
