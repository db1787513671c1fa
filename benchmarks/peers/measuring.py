"""Load the apps in turn, and count what each request cost."""

import http.client
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks.installation import Installation
from benchmarks.load import Load
from benchmarks.peers.comparing import Row, compare
from benchmarks.peers.contenders import YARDSTICK, Contender
from benchmarks.peers.tables import FIELDS
from benchmarks.processes import WebServer
from benchmarks.requests import CONNECTIONS, STATUSES, Sample, measure_burst
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

CHECKING = -1
WARMING = -2
"""Numbers of rounds that are not measured."""

SETTLING_SECONDS = 0.3
MOST_SECONDS_TO_SETTLE = 10

Samples = dict[str, dict[str, list[Sample]]]
"""By kind of request and app, one for each round."""


@dataclass(frozen=True)
class Bursts:
    """How often each app is loaded with each kind of request, and for how long.

    trially reads a member again after five seconds. In shorter bursts to many tenants, most
    requests would be the first to their tenant after a pause, which is rare in steady use.
    """

    rounds: int
    seconds: float


@dataclass(frozen=True)
class Measured:
    """The results with one number of tenants."""

    rows: list[Row]
    samples: Samples


def measure(
    installed: Installation,
    contenders: list[Contender],
    tenants: int,
    bursts: Bursts,
) -> Measured:
    """Serve the apps at the same time, load them in turn, and stop them one by one."""
    contenders = [one for one in contenders if one.least_tenants <= tenants]
    with ExitStack() as running:
        stacks = {one.name: running.enter_context(ExitStack()) for one in contenders}
        servers = {one.name: stacks[one.name].enter_context(one.serve()) for one in contenders}
        for one in contenders:
            _check_answers(one, servers[one.name], tenants)
        samples = _run(installed, contenders, servers, tenants, bursts)
        memory, connections = {}, {}
        for name, stack in stacks.items():
            memory[name] = _memory_mb(servers[name])
            connections[name] = _stop(installed, stack)
    rows = [
        Row(
            tenants,
            one.name,
            {
                kind: compare(by_app[one.name], by_app[YARDSTICK])
                for kind, by_app in samples.items()
            },
            memory[one.name],
            connections[one.name],
        )
        for one in contenders
    ]
    return Measured(rows, samples)


def _run(
    installed: Installation,
    contenders: list[Contender],
    servers: dict[str, WebServer],
    tenants: int,
    bursts: Bursts,
) -> Samples:
    samples: Samples = {kind: {one.name: [] for one in contenders} for kind in STATUSES}

    def burst(one: Contender, kind: str, number: int) -> Sample:
        requests = one.calls.compose(kind, tenants, number, bursts.seconds)
        load = Load(servers[one.name].port, requests, STATUSES[kind], bursts.seconds, CONNECTIONS)
        try:
            return measure_burst(load, servers[one.name], installed.postmaster_id)
        except SystemExit as error:
            raise SystemExit(f"{one.name}, {kind}: {error}") from error

    for kind in STATUSES:
        for one in contenders:
            burst(one, kind, WARMING)
    for number in range(bursts.rounds):
        # Each round begins with another app and runs in the other direction than the one before.
        first = number % len(contenders)
        order = contenders[first:] + contenders[:first]
        for kind in STATUSES:
            for one in order if number % 2 else reversed(order):
                samples[kind][one.name].append(burst(one, kind, number))
    return samples


def _check_answers(one: Contender, server: WebServer, tenants: int) -> None:
    """Stop unless the app answers what it is said to answer, to its last tenant too."""
    for kind, status in STATUSES.items():
        request = one.calls.compose(kind, tenants, CHECKING, seconds=0)[0]
        found, body = _ask(server, request)
        if found != status:
            raise SystemExit(f"{one.name} answered {kind} with {found}: {body!r}")
        patients = json.loads(body)["data"] if kind == "list 50" else [json.loads(body)]
        if kind == "list 50" and len(patients) != 50:
            raise SystemExit(f"{one.name} listed {len(patients)} patients.")
        missing = set(FIELDS) - set(patients[0])
        if missing and one.name != YARDSTICK:
            raise SystemExit(f"{one.name} does not answer {', '.join(sorted(missing))}.")


def _ask(server: WebServer, request: str) -> tuple[int, bytes]:
    head, _, body = request.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ")
    connected = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers: Any = dict(line.split(": ", 1) for line in lines)
    connected.request(method, path, body or None, headers)
    response = connected.getresponse()
    answer = response.status, response.read()
    connected.close()
    return answer


def _memory_mb(server: WebServer) -> float:
    """Return the memory of a web server's processes; what they share is counted once."""
    root = psutil.Process(server.process_id)
    members = [root, *root.children(recursive=True)]
    return float(sum(member.memory_full_info().pss for member in members) / 1e6)


def _stop(installed: Installation, stack: ExitStack) -> int:
    """Stop a web server, and return how many connections to PostgreSQL ended with it."""
    with installed.app.app_context(), server_access().administer() as raw:
        before = _count_connections(raw)
        stack.close()
        deadline = time.monotonic() + MOST_SECONDS_TO_SETTLE
        after = _count_connections(raw)
        while time.monotonic() < deadline:
            time.sleep(SETTLING_SECONDS)
            former, after = after, _count_connections(raw)
            if former == after:
                break
    return before - after


def _count_connections(raw: Any) -> int:
    ((number,),) = execute(
        raw, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    )
    return int(number)
