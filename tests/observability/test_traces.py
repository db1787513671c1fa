"""Spans of requests and statements: their number and content, without PHI."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from members import Member
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import Engine, event, text
from werkzeug.test import TestResponse

from trially import create_app
from trially.auth.permissions import Permission, requires
from trially.config import ROOT, Settings, SettingsError
from trially.database.session import db
from trially.observability import spans, tracing
from trially.state import state_of

CANARY = "Zq7Canary"
BIRTH = "1931-02-27"
CANARIES = re.compile(f"{CANARY}|{BIRTH}", re.IGNORECASE)
CALLER = f"00-{'ab' * 16}-{'cd' * 8}-01"


@dataclass
class Traced:
    """An app with traced requests, and its spans."""

    app: Flask
    client: FlaskClient
    exporter: InMemorySpanExporter

    def ask(self, member: Member, method: str, path: str, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {member.token}", **options.pop("headers", {})}
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **options)

    def take(self) -> tuple[ReadableSpan, list[ReadableSpan]]:
        """Return the span of the only request, and the spans of its statements."""
        provider: TracerProvider = state_of(self.app).tracer_provider
        provider.force_flush()
        taken = self.exporter.get_finished_spans()
        self.exporter.clear()
        (server,) = [span for span in taken if span.kind is SpanKind.SERVER]
        return server, [span for span in taken if span is not server]


@pytest.fixture(scope="module")
def traced_app(settings: Settings, app: Flask) -> Iterator[tuple[Flask, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(tracing.EXPORTER, "otlp")
        patch.setattr(spans, "make_exporter", lambda: exporter)
        traced = create_app(settings)
    traced.config["PROPAGATE_EXCEPTIONS"] = False
    yield traced, exporter
    state_of(traced).tracer_provider.shutdown()
    event.remove(Engine, "before_cursor_execute", spans._begin_statement)
    event.remove(Engine, "after_cursor_execute", spans._end_statement)
    event.remove(Engine, "handle_error", spans._fail_statement)


@pytest.fixture
def traced(traced_app: tuple[Flask, InMemorySpanExporter]) -> Traced:
    app, exporter = traced_app
    state_of(app).tracer_provider.force_flush()
    exporter.clear()
    return Traced(app, app.test_client(), exporter)


def traceparent_of(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def test_a_request_is_a_span_in_the_callers_trace(
    traced: Traced, member: Member, make_patient: Callable[..., Any]
) -> None:
    patient = make_patient(member)

    answer = traced.ask(
        member,
        "GET",
        f"/patients/{patient['id']}",
        headers={"traceparent": CALLER, "X-Request-ID": "r-1"},
    )

    server, statements = traced.take()
    assert answer.headers["traceparent"] == traceparent_of(server)
    assert answer.headers["traceparent"].startswith(f"00-{'ab' * 16}-")
    assert server.parent is not None
    assert f"{server.parent.span_id:016x}" == "cd" * 8
    assert server.name == "GET /api/v1/patients/<uuid:patient_id>"
    assert dict(server.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/api/v1/patients/<uuid:patient_id>",
        "http.response.status_code": 200,
        "trially.tenant": str(member.tenant.id),
        "trially.request_id": "r-1",
    }
    assert server.resource.attributes["service.name"] == "trially"
    for span in statements:
        assert span.parent == server.get_span_context()
        assert span.kind is SpanKind.CLIENT
        assert span.name == "SELECT"
        assert dict(span.attributes or {}) == {
            "db.system.name": "postgresql",
            "db.operation.name": "SELECT",
        }
    assert len(statements) >= 2


def test_a_request_without_a_caller_begins_a_trace(traced: Traced) -> None:
    answers, seen = [], []
    for path in ("/livez", "/nowhere", "/nowhere"):
        answers.append(traced.client.get(path).headers["traceparent"])
        server, statements = traced.take()
        seen.append(server)
        assert statements == []

    assert answers == [traceparent_of(span) for span in seen]
    assert [span.name for span in seen] == ["GET /livez", "GET", "GET"]
    assert [span.parent for span in seen] == [None] * 3
    assert len({span[:35] for span in answers}) == 3


def test_an_unsampled_request_is_not_traced(traced: Traced, member: Member) -> None:
    answer = traced.ask(member, "GET", "/patients", headers={"traceparent": CALLER[:-1] + "0"})
    state_of(traced.app).tracer_provider.force_flush()

    assert re.fullmatch(f"00-{'ab' * 16}-[0-9a-f]{{16}}-00", answer.headers["traceparent"])
    assert "cd" * 8 not in answer.headers["traceparent"]
    assert traced.exporter.get_finished_spans() == ()


def test_an_unknown_method_is_not_quoted(traced: Traced) -> None:
    traced.client.open("/livez", method=CANARY.upper())

    server, _ = traced.take()
    assert server.name.split(" ")[0] == "_OTHER"
    assert not CANARIES.search(server.to_json())


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("SELECT CAST(:canary AS integer)", "22P02"),
        (f"SELECT {CANARY}, :canary", "42703"),
        (f"{CANARY} :canary", "42601"),
        (f"/* {CANARY} */ SELECT 1 / 0, :canary", "22012"),
    ],
)
def test_a_failed_statement_has_its_sqlstate_only(
    traced: Traced, member: Member, monkeypatch: pytest.MonkeyPatch, statement: str, state: str
) -> None:
    def fail() -> None:
        db.session.execute(text(statement), {"canary": CANARY})

    guarded = requires(Permission.ME_READ)(fail)
    monkeypatch.setitem(traced.app.view_functions, "me.show_me", guarded)

    traced.ask(member, "GET", "/me")

    server, statements = traced.take()
    (failed,) = [span for span in statements if span.status.status_code is StatusCode.ERROR]
    assert (failed.attributes or {})["error.type"] == state
    assert failed.status.description is None
    assert [span.events for span in (server, *statements)] == [()] * (1 + len(statements))
    assert not any(CANARIES.search(span.to_json()) for span in (server, *statements))


def test_a_crash_leaves_no_message(
    traced: Traced, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash() -> None:
        raise ValueError(CANARY)

    guarded = requires(Permission.ME_READ)(crash)
    monkeypatch.setitem(traced.app.view_functions, "me.show_me", guarded)

    traced.ask(member, "GET", "/me")

    server, _ = traced.take()
    assert server.status.status_code is StatusCode.ERROR
    assert (server.attributes or {})["http.response.status_code"] == 500
    assert not CANARIES.search(server.to_json())


def test_no_span_has_phi(traced: Traced, member: Member) -> None:
    names = ("mrn", "given_name", "family_name", "phone", "email", "race")
    patient = {**dict.fromkeys(names, CANARY), "birth_date": BIRTH, "sex": "female"}
    imported = {"resourceType": "Patient", "id": CANARY, "name": [{"family": CANARY}]}
    headers = {"Idempotency-Key": CANARY, "User-Agent": CANARY, "X-Tenant-ID": member.tenant.slug}
    written = []
    for method, path, options in (
        ("POST", "/patients", {"json": patient, "headers": headers}),
        ("POST", "/patients", {"json": patient}),
        ("POST", "/patients/search", {"json": {"family_name": CANARY, "birth_date": BIRTH}}),
        ("GET", f"/patients?source={CANARY}", {}),
        ("GET", f"/patients/{CANARY}?{CANARY}={CANARY}", {}),
        ("GET", "/me", {"headers": {"X-Tenant-ID": CANARY, "tracestate": f"a={CANARY}"}}),
        ("POST", f"/imports?source={CANARY}", {"json": imported}),
    ):
        traced.ask(member, method, path, **options)
        server, statements = traced.take()
        written += [span.to_json() for span in (server, *statements)]

    assert len(written) > 20
    assert [span for span in written if CANARIES.search(span)] == []


def test_traces_are_off_by_default(app: Flask) -> None:
    assert "trially_traces" not in app.extensions


@pytest.mark.parametrize(
    ("variables", "is_enabled"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_the_standard_variables_switch_traces_on(
    variables: dict[str, str], is_enabled: bool
) -> None:
    assert tracing.is_enabled(variables) is is_enabled


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_an_unsupported_exporter_or_protocol_stops_the_start(variables: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="must be"):
        tracing.is_enabled(variables)


@pytest.mark.parametrize(
    "missing", ["opentelemetry", "opentelemetry.exporter.otlp.proto.http.trace_exporter"]
)
def test_without_the_packages_the_start_is_stopped(missing: str) -> None:
    start = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from flask import Flask\nfrom trially.observability import tracing\n"
        "tracing.init_app(Flask('tiny', static_folder=None))"
    )

    stopped = subprocess.run(
        [sys.executable, "-c", start],
        env={**os.environ, tracing.EXPORTER: "otlp"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert stopped.returncode == 1
    assert stopped.stderr.splitlines()[-1] == (
        "trially.config.errors.SettingsError: OpenTelemetry is configured but not installed."
        " Install the extra `telemetry`, or unset OTEL_TRACES_EXPORTER and"
        " OTEL_EXPORTER_OTLP_ENDPOINT."
    )
