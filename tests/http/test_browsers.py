"""What browsers are told, and traces, on an app that has no database."""

from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from trially import state
from trially.http import browsers, problems, request_ids, trace_context

OURS = "https://app.example.org"


@pytest.fixture
def app() -> Flask:
    app = Flask("tiny", static_folder=None)
    state.init_app(app, SimpleNamespace(cors_origins=(OURS,), public_url="https://api.example.org"))
    request_ids.init_app(app)
    trace_context.init_app(app)
    browsers.init_app(app)
    problems.init_app(app)
    app.get("/things", endpoint="show")(lambda: "here")
    app.post("/things", endpoint="make")(lambda: "made")
    app.get("/docs/", endpoint="browse")(lambda: "<html></html>")
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def preflight(origin: str) -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": "POST"}


def test_a_preflight_from_an_allowed_origin_is_answered(client: FlaskClient) -> None:
    answer = client.options("/things", headers=preflight(OURS))

    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"Authorization", "If-Match", "Idempotency-Key", "X-Tenant-ID"} <= set(allowed)
    assert {"traceparent", "tracestate", "baggage", "sentry-trace"} <= set(allowed)
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "origin",
    ["null", "*", "", OURS + "/", OURS + ".evil.example", "http://app.example.org", OURS.upper()],
)
def test_other_origins_are_told_nothing(client: FlaskClient, origin: str) -> None:
    for answer in (
        client.options("/things", headers=preflight(origin)),
        client.get("/things", headers={"Origin": origin}),
    ):
        assert not [name for name in dict(answer.headers) if name.startswith("Access-Control")]
        assert "Origin" in answer.headers["Vary"]


def test_an_allowed_origin_may_read_errors_too(client: FlaskClient) -> None:
    for path in ("/things", "/nowhere"):
        headers = client.get(path, headers={"Origin": OURS}).headers
        assert headers["Access-Control-Allow-Origin"] == OURS
        exposed = headers["Access-Control-Expose-Headers"].split(", ")
        assert {"ETag", "X-Request-ID", "Retry-After", "Idempotency-Replayed"} <= set(exposed)


def test_answers_say_what_they_may_do(app: Flask, client: FlaskClient) -> None:
    for path in ("/things", "/nowhere", "/docs/nowhere"):
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
    page = client.get("/docs/").headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page
    assert "http" not in page

    state.state_of(app).settings.public_url = "http://127.0.0.1:5000"
    assert "Strict-Transport-Security" not in client.get("/things").headers


def test_a_trace_goes_on_in_a_span_of_its_own(client: FlaskClient) -> None:
    sent = f"00-{'ab' * 16}-{'cd' * 8}-01"

    version, trace_id, span, flags = (
        client.get("/things", headers={"traceparent": sent}).headers["traceparent"].split("-")
    )

    assert (version, trace_id, flags) == ("00", "ab" * 16, "01")
    assert span != "cd" * 8
    assert len(span) == 16


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "x",
        f"00-{'0' * 32}-{'cd' * 8}-01",
        f"00-{'ab' * 16}-{'0' * 16}-01",
        f"ff-{'ab' * 16}-{'cd' * 8}-01",
        f"00-{'AB' * 16}-{'cd' * 8}-01",
        f"00-{'ab' * 16}-{'cd' * 8}-01-more",
        f"00-{'ab' * 16}-{'cd' * 8}-0g",
    ],
)
def test_an_unusable_trace_is_replaced(client: FlaskClient, sent: str) -> None:
    _, trace_id, _, flags = (
        client.get("/things", headers={"traceparent": sent}).headers["traceparent"].split("-")
    )

    assert trace_id not in {"ab" * 16, "0" * 32}
    assert (len(trace_id), flags) == (32, "00")


def test_a_trace_of_a_later_version_is_understood() -> None:
    assert trace_context.read_trace(f"01-{'ab' * 16}-{'cd' * 8}-03-more") == (
        "ab" * 16,
        "cd" * 8,
        "01",
    )
