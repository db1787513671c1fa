"""Faults of a whole PostgreSQL server, and of its replica."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from faults.fault import Fault, Reach
from faults.installation import MAX_CONNECTIONS, Server
from faults.replica import with_replica
from faults.scene import Scene
from trially.database.connecting import connect

OF_THE_LOAD = (
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
    " AND pid <> pg_backend_pid() AND application_name <> 'faults'"
)


@contextmanager
def terminate_backends(scene: Scene) -> Iterator[None]:
    scene.first.ask(f"SELECT pg_terminate_backend(pid) FROM ({OF_THE_LOAD}) AS backends")
    yield


@contextmanager
def kill_backend(scene: Scene) -> Iterator[None]:
    """Kill a backend, after which the postmaster ends all others and recovers."""
    [(process_id,)] = scene.first.ask(f"{OF_THE_LOAD} LIMIT 1")
    os.kill(process_id, signal.SIGKILL)
    yield


@contextmanager
def kill_postmaster(scene: Scene) -> Iterator[None]:
    """Kill the postmaster, upon which its children end, and start the server after the fault."""
    scene.first.processes()[0].kill()
    scene.first.wait_until_stopped()
    yield
    scene.first.start()


@contextmanager
def stop_immediately(scene: Scene) -> Iterator[None]:
    scene.first.processes()[0].send_signal(signal.SIGQUIT)
    scene.first.wait_until_stopped()
    yield
    scene.first.start()


@contextmanager
def stop_second(scene: Scene) -> Iterator[None]:
    scene.second.processes()[0].send_signal(signal.SIGQUIT)
    scene.second.wait_until_stopped()
    yield
    scene.second.start()


@contextmanager
def suspended(server: Server) -> Iterator[None]:
    """Stop all processes of a server with SIGSTOP: its kernel still accepts connections."""
    stopped = server.processes()
    try:
        for process in stopped:
            process.suspend()
        yield
    finally:
        for process in stopped:
            process.resume()


@contextmanager
def suspend_first(scene: Scene) -> Iterator[None]:
    with suspended(scene.first):
        yield


@contextmanager
def suspend_second(scene: Scene) -> Iterator[None]:
    with suspended(scene.second):
        yield


@contextmanager
def suspend_replica(scene: Scene) -> Iterator[None]:
    assert scene.replica is not None
    with suspended(scene.replica):
        yield


@contextmanager
def kill_replica(scene: Scene) -> Iterator[None]:
    assert scene.replica is not None
    scene.replica.processes()[0].kill()
    scene.replica.wait_until_stopped()
    yield
    scene.replica.start()


@contextmanager
def take_all_slots(scene: Scene) -> Iterator[None]:
    """Open connections until the server has none left, and end those of the load once."""
    taken = []
    try:
        for _ in range(2 * MAX_CONNECTIONS):
            try:
                taken.append(connect(scene.first.url, "faults"))
            except psycopg2.OperationalError:
                break
        raw = taken[0].cursor()
        raw.execute(f"SELECT pg_terminate_backend(pid) FROM ({OF_THE_LOAD} LIMIT 10) AS backends")
        time.sleep(0.1)
        for _ in range(10):
            try:
                taken.append(connect(scene.first.url, "faults"))
            except psycopg2.OperationalError:
                break
        yield
    finally:
        for each in taken:
            each.close()


FAULTS = (
    Fault(
        "backends_terminated",
        "All connections to the first server are ended with `pg_terminate_backend`.",
        terminate_backends,
        Reach.FIRST_SERVER,
        seconds=0,
        is_quick=True,
    ),
    Fault(
        "backend_killed",
        "A backend of the first server is killed with SIGKILL, so the server recovers.",
        kill_backend,
        Reach.FIRST_SERVER,
        seconds=8,
    ),
    Fault(
        "postmaster_killed",
        "The first server's postmaster is killed with SIGKILL, and started again.",
        kill_postmaster,
        Reach.FIRST_SERVER,
    ),
    Fault(
        "immediate_stop",
        "The first server is stopped in immediate mode, and started again.",
        stop_immediately,
        Reach.FIRST_SERVER,
    ),
    Fault(
        "second_server_stopped",
        "The second server is stopped in immediate mode, and started again.",
        stop_second,
        Reach.SECOND_SERVER,
    ),
    Fault(
        "first_server_suspended",
        "All processes of the first server are stopped with SIGSTOP.",
        suspend_first,
        Reach.FIRST_SERVER,
        seconds=15,
    ),
    Fault(
        "second_server_suspended",
        "All processes of the second server are stopped with SIGSTOP.",
        suspend_second,
        Reach.SECOND_SERVER,
        seconds=15,
        is_quick=True,
    ),
    Fault(
        "replica_suspended",
        "All processes of a read replica of the first server are stopped with SIGSTOP.",
        suspend_replica,
        Reach.NOBODY,
        seconds=15,
        prepare=with_replica,
    ),
    Fault(
        "replica_killed",
        "A read replica of the first server is killed with SIGKILL, and started again.",
        kill_replica,
        Reach.NOBODY,
        prepare=with_replica,
    ),
    Fault(
        "no_free_slots",
        "Another program takes all connections that the first server has left.",
        take_all_slots,
        Reach.FIRST_SERVER,
    ),
)
