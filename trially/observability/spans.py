"""OpenTelemetry spans: one for each request, and one for each of its statements.

A span holds a route's template and a statement's kind. It never holds a URL, a statement's text, a
parameter or an exception's message, because each of them may hold PHI. Needs the extra `telemetry`.
"""

import os
import re
from typing import Any

from flask import Flask, Response, has_app_context, request
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from trially.http.trace_context import SAMPLED, Caller, set_trace
from trially.observability.logs import NO_ROUTE, route_of_request
from trially.request_state import request_state
from trially.state import app_state, state_of

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "_OTHER"
OPERATIONS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "SET", "CALL"})
OTHER_OPERATION = "OTHER"
ERRORS_START = 500

_FIRST_WORD = re.compile(r"\s*([A-Za-z]+)")
_SPAN = "trially_span"
"""Attribute of a statement's execution context that holds its span."""


def make_exporter() -> SpanExporter:
    """Create the exporter that the environment configures, or raise `ImportError`."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter: SpanExporter = OTLPSpanExporter()
    return exporter


def init_app(app: Flask, exporter: SpanExporter) -> None:
    """Trace the app's requests and send them to `exporter`."""
    name = os.environ.get("OTEL_SERVICE_NAME") or app.name
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    state_of(app).tracer_provider = provider
    app.before_request(_begin_request)
    app.after_request(_end_request)
    if not event.contains(Engine, "before_cursor_execute", _begin_statement):
        event.listen(Engine, "before_cursor_execute", _begin_statement)
        event.listen(Engine, "after_cursor_execute", _end_statement)
        event.listen(Engine, "handle_error", _fail_statement)


def _begin_request() -> None:
    state = request_state()
    method = request.method if request.method in METHODS else OTHER_METHOD
    route = route_of_request()
    name, attributes = (
        method,
        {"http.request.method": method, "trially.request_id": state.request_id or ""},
    )
    if route != NO_ROUTE:
        name, attributes["http.route"] = f"{method} {route}", route
    state.span = _tracer().start_span(name, _context_of(state.caller), SpanKind.SERVER, attributes)
    span = state.span.get_span_context()
    set_trace(f"{span.trace_id:032x}", f"{span.span_id:016x}", f"{span.trace_flags & SAMPLED:02x}")


def _end_request(response: Response) -> Response:
    state = request_state()
    span = state.span
    if span is None:
        return response
    span.set_attribute("http.response.status_code", response.status_code)
    if state.placement is not None:
        span.set_attribute("trially.tenant", str(state.placement.tenant_id))
    if response.status_code >= ERRORS_START:
        span.set_status(StatusCode.ERROR)
    span.end()
    return response


def _context_of(caller: Caller | None) -> Context:
    """Return the context in which the caller's span is the parent, or an empty context."""
    if caller is None:
        return Context()
    parent = SpanContext(
        int(caller.trace_id, 16),
        int(caller.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(caller.flags, 16)),
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _begin_statement(
    _connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: Any
) -> None:
    """Start a statement's span within the request's span; outside a request, start none."""
    span = request_state().span if has_app_context() else None
    if span is None or not span.is_recording():
        return
    operation = _operation_of(statement)
    context.__dict__[_SPAN] = _tracer().start_span(
        operation,
        set_span_in_context(span, Context()),
        SpanKind.CLIENT,
        {"db.system.name": "postgresql", "db.operation.name": operation},
    )


def _end_statement(
    _connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: Any
) -> None:
    if span := context.__dict__.pop(_SPAN, None):
        span.end()


def _fail_statement(failure: ExceptionContext) -> None:
    """End a statement's span with its error's SQLSTATE or type, without the message."""
    context: Any = failure.execution_context
    span: Span | None = context.__dict__.pop(_SPAN, None) if context is not None else None
    if span is None:
        return
    error = failure.original_exception
    span.set_attribute("error.type", getattr(error, "pgcode", None) or type(error).__qualname__)
    span.set_status(StatusCode.ERROR)
    span.end()


def _tracer() -> Tracer:
    provider = app_state().tracer_provider
    assert provider is not None  # noqa: S101
    return provider.get_tracer("trially")


def _operation_of(statement: str) -> str:
    """Return the first word of a statement if it is a known keyword, so it cannot be a literal."""
    match = _FIRST_WORD.match(statement)
    word = match[1].upper() if match else ""
    return word if word in OPERATIONS else OTHER_OPERATION
