"""Slow statements: a line in the log and counts, with the tenant and the route, never a value."""

import logging

from flask import has_app_context

from trially.observability.logs import route_of_context
from trially.observability.metrics import slow_statements_total
from trially.observability.statement_texts import normalised, tenant_filter_of
from trially.observability.tenant_metrics import labels, tenant_slow_statements_total
from trially.request_state import request_state

LONGEST_TEXT = 2_000

log = logging.getLogger(__name__)


def report_slow_statement(statement: str, seconds: float) -> None:
    """Log and count a slow statement. The log's own fields name its tenant and route."""
    text = normalised(statement)
    tenant_filter = tenant_filter_of(text)
    placement = request_state().placement if has_app_context() else None
    tenant = labels.label_of(None if placement is None else placement.tenant_id)
    slow_statements_total.labels(route_of_context(), tenant_filter.value).inc()
    tenant_slow_statements_total.labels(tenant).inc()
    log.warning(
        "A statement was slow.",
        extra={
            "ms": round(seconds * 1000, 2),
            "statement": text[:LONGEST_TEXT],
            "tenant_filter": tenant_filter.value,
        },
    )
