"""Measure where the time of a request goes: each step of "read one" and "list 50" in one process.

The script calls the app as a WSGI server would; the log line goes to /dev/null. A step's time is
that of its functions, without the steps that those call in turn. The web server's own share is
its CPU time for a constant answer of the same size.
"""

import io
import os
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from flask import Flask, Response
from flask.ctx import RequestContext
from sqlalchemy.pool import Pool

from benchmarks.installation import Installation, installation
from benchmarks.load import Load, compose_request, run_load
from benchmarks.processes import cpu_seconds, gunicorn
from benchmarks.report import make_parser, print_outcome
from benchmarks.seeding import Seeded, seed
from trially import create_app, request_cycle
from trially.database import dialect, fixed_statements
from trially.database.fixed_statements import FixedStatement
from trially.http import answering
from trially.observability import access_log, logs
from trially.request_cycle import replicas, settling
from trially.resources import listing, resource

WARM_UP_REQUESTS = 300
SERVER_SECONDS = 2.0

CYCLE = "request cycle: admit, authorize, settle themselves"
EDGE = "edge: request id, trace, CORS, headers"
OBSERVING = "clock; calls of metrics and log"
REST = "Flask: dispatch"
TEARDOWN = "SQLAlchemy: session closed"

STEPS: list[tuple[str, Any, str]] = [
    ("token", request_cycle, "read_credential"),
    ("tenant's directory", request_cycle, "resolve_tenant"),
    ("tenant's directory", replicas, "enter_tenant"),
    ("member", request_cycle, "read_identity"),
    ("query string", request_cycle, "refuse_query"),
    ("query string", answering, "read_query"),
    (CYCLE, request_cycle.Application, "answer"),
    (CYCLE, request_cycle, "authorize"),
    (CYCLE, request_cycle, "settle"),
    ("view and contract", request_cycle, "call_view"),
    ("cursors", listing, "read_cursor"),
    ("cursors", listing, "make_page"),
    ("rows into mappings", resource, "find_item"),
    ("rows into mappings", listing, "fetch_fixed"),
    ("statement and types of its columns", FixedStatement, "run"),
    ("SQLAlchemy: connection, its transaction", fixed_statements, "open_connection"),
    ("SQLAlchemy: connection, its transaction", settling, "commit"),
    ("SQLAlchemy: pool", Pool, "connect"),
    ("opening, written", dialect.PlacedConnection, "open_for"),
    ("round trip: opening and statement", dialect.PlacedCursor, "execute"),
    ("round trip: COMMIT", dialect.PlacedConnection, "commit"),
    ("mask", answering, "shown"),
    ("mask", answering, "shown_page"),
    ("JSON and response", answering, "json_response"),
    ("metrics", access_log, "count_request"),
    ("metrics", access_log, "count_tenant_request"),
    ("log line", logs.requests_log, "info"),
    ("Flask: context and routing", Flask, "request_context"),
    ("Flask: context and routing", RequestContext, "push"),
    ("Flask: context and routing", RequestContext, "pop"),
    ("Flask: response to WSGI", Response, "__call__"),
]
"""The functions of each step: the owner through which callers reach the function, and its name."""

HOOK_STEPS = {access_log.__name__: OBSERVING, request_cycle.__name__: CYCLE}
"""The steps of `before_request` and `after_request` functions, by module. Others are `EDGE`."""

Environ = dict[str, Any]
Samples = list[dict[str, float]]


def main() -> None:
    parser = make_parser(__spec__.name, rounds=3000, seconds=60)
    options = parser.parse_args()
    with installation() as installed:
        seeded = seed(installed.app, 1)
        kinds = {
            "read one": compose_environ(seeded, f"/{seeded.patient_ids[0]}", ""),
            "list 50": compose_environ(seeded, "", "limit=50"),
        }
        figures = {
            kind: _profile(installed, environ, options.rounds, options.seconds)
            for kind, environ in kinds.items()
        }
        for kind in kinds:
            figures[kind]["server_cpu_us"] = _measure_server(installed, figures[kind]["bytes"])
    _require_calls(figures.values())
    line = ", ".join(_summarise(kind, of_kind) for kind, of_kind in figures.items())
    print_outcome(f"request profile: {line}", figures, as_json=options.json)


class _Stopwatch:
    """Adds up the time of each step, without the steps that it calls in turn."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._inner = [0.0]

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, with its calls timed as part of `step`."""
        inner, spent, calls, clock = self._inner, self.spent, self.calls, time.perf_counter

        def measured(*arguments: Any, **named: Any) -> Any:
            inner.append(0.0)
            began = clock()
            try:
                return function(*arguments, **named)
            finally:
                seconds = clock() - began
                spent[step] += seconds - inner.pop()
                calls[step] += 1
                inner[-1] += seconds

        return measured

    def take(self) -> dict[str, float]:
        """Return the seconds of each step since the last call."""
        taken = dict(self.spent)
        self.spent.clear()
        return taken


def constant_app(_environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer every request with the same body of `BENCHMARK_BYTES` bytes."""
    body = b"x" * int(os.environ["BENCHMARK_BYTES"])
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def _profile(
    installed: Installation, environ: Environ, requests: int, seconds: float
) -> dict[str, Any]:
    app = create_app(installed.settings)
    with Path(os.devnull).open("w") as nowhere:
        logs.configure(stream=nowhere)
        plain = _run(app, environ, requests, seconds, dict)
        stopwatch = _Stopwatch()
        with _steps_timed(app, stopwatch):
            _run(app, environ, WARM_UP_REQUESTS, seconds, stopwatch.take)
            stopwatch.calls.clear()
            timed = _run(app, environ, requests, seconds, stopwatch.take)
        size = len(answer(app, environ))
    return {
        "bytes": size,
        "requests": len(timed),
        "us": _mean_us(plain)["all"],
        "us_timed": _mean_us(timed)["all"],
        "cpu_us": _mean_us(plain)["cpu"],
        "steps_us": dict(sorted(_mean_us(timed).items(), key=lambda item: -item[1])),
        "calls": {step: calls / len(timed) for step, calls in stopwatch.calls.items()},
    }


@contextmanager
def _steps_timed(app: Flask, stopwatch: _Stopwatch) -> Iterator[None]:
    """Measure each step of the app's requests with the stopwatch."""
    for hooks in (app.before_request_funcs[None], app.after_request_funcs[None]):
        hooks[:] = [stopwatch.timed(HOOK_STEPS.get(hook.__module__, EDGE), hook) for hook in hooks]
    app.teardown_appcontext_funcs[:] = [
        stopwatch.timed(TEARDOWN, teardown) for teardown in app.teardown_appcontext_funcs
    ]
    whole = app.wsgi_app
    app.wsgi_app = stopwatch.timed(REST, whole)  # type: ignore[method-assign]
    with ExitStack() as patches:
        for step, owner, name in STEPS:
            if not hasattr(owner, name):
                raise SystemExit(f"{owner.__name__} has no {name}. Adapt STEPS in {__file__}.")
            timed = stopwatch.timed(step, getattr(owner, name))
            patches.enter_context(patch.object(owner, name, timed))
        yield
    app.wsgi_app = whole  # type: ignore[method-assign]


def _require_calls(figures: Iterable[dict[str, Any]]) -> None:
    """Stop if a step was never called: its function has been replaced or is reached elsewhere."""
    called = {step for of_kind in figures for step in of_kind["calls"]}
    missing = {step for step, _, _ in STEPS} - called
    if missing:
        raise SystemExit(f"No request called {', '.join(missing)}. Adapt STEPS in {__file__}.")


def _run(
    app: Flask,
    environ: Environ,
    requests: int,
    seconds: float,
    take: Callable[[], dict[str, float]],
) -> Samples:
    """Answer requests one after another; return the seconds of each, in all and by step."""
    samples: Samples = []
    deadline = time.perf_counter() + seconds
    while len(samples) < requests and time.perf_counter() < deadline:
        began, cpu = time.perf_counter(), time.process_time()
        answer(app, environ)
        whole = {"all": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        samples.append({**take(), **whole})
    return samples


def answer(app: Flask, environ: Environ) -> bytes:
    """Return the body of the app's answer to one request."""
    answered: Any = app.wsgi_app({**environ, "wsgi.input": io.BytesIO()}, _start_response)
    body = b"".join(answered)
    answered.close()
    return body


def _start_response(status: str, _headers: Any, _raised: Any = None) -> Any:
    if not status.startswith("200"):
        raise SystemExit(f"The app answered {status}.")


def _mean_us(samples: Samples) -> dict[str, float]:
    """Return the means of the faster half, because a busy machine slows single requests."""
    faster = sorted(samples, key=lambda sample: sample["all"])[: len(samples) // 2]
    return {
        step: statistics.mean(sample.get(step, 0.0) for sample in faster) * 1e6
        for step in faster[-1]
    }


def _measure_server(installed: Installation, size: int) -> float:
    """Return gunicorn's CPU µs to receive a request and send an answer of `size` bytes."""
    environment = {**installed.environment, "BENCHMARK_BYTES": str(size)}
    with gunicorn("benchmarks.request_profile:constant_app", environment) as server:
        request = compose_request("GET", "/api/v1/patients", "x" * 600)
        before = cpu_seconds(server.process_id)
        outcome = run_load(Load(server.port, [request], 200, SERVER_SECONDS))
        return (cpu_seconds(server.process_id) - before) / outcome.requests * 1e6


def compose_environ(seeded: Seeded, path: str, query: str) -> Environ:
    """Return a request of the first member to `/patients`, as a WSGI server passes it on."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/api/v1/patients{path}",
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": f"Bearer {seeded.tokens[0]}",
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
    }


def _summarise(kind: str, figures: dict[str, Any]) -> str:
    waiting = sum(us for step, us in figures["steps_us"].items() if step.startswith("round trip"))
    return (
        f"{kind} {figures['us']:,.0f} µs, of which round trips {waiting:,.0f}"
        f" ({figures['cpu_us']:,.0f} µs CPU, and gunicorn's {figures['server_cpu_us']:,.0f})"
    )


if __name__ == "__main__":
    main()
