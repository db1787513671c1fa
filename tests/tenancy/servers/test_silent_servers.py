"""A server, replica or pooler that is frozen, and still acknowledges packets, stops no one else."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psutil
from flask import Flask
from members import AsMember, MakeTenant
from poolers import running_pooler
from standbys import (
    Client,
    Installation,
    catch_up,
    install_on,
    server_folder,
    start,
    start_standby,
    text_of,
    url_of,
)

from trially import create_app
from trially.config import Settings
from trially.embedded_postgres.server import EmbeddedServer
from trially.embedded_postgres.watcher import find_postmaster
from trially.state import state_of

FAULT_SECONDS = 8
LONGEST_SECONDS = 10
"""Far above what an answer takes, far below the fault's and the request's time limits together."""


@dataclass
class Reader:
    """A client that reads again and again, and notes when each answer came and what it was."""

    client: Any
    path: str
    answers: list[tuple[float, float, int]] = field(default_factory=list)

    def run(self, is_over: threading.Event) -> None:
        while not is_over.is_set():
            started = time.monotonic()
            status = self.client.get(self.path).status_code
            self.answers.append((started, time.monotonic(), status))

    def statuses(self, since: float, until: float) -> set[int]:
        """Return the statuses of the requests that began in a period."""
        return {status for start, _, status in self.answers if since <= start < until}

    def slowest(self) -> float:
        return max(end - start for start, end, _ in self.answers)


@contextmanager
def reading(*clients: Any, path: str = "/patients") -> Iterator[list[Reader]]:
    readers, is_over = [Reader(client, path) for client in clients], threading.Event()
    with ThreadPoolExecutor(len(readers)) as threads:
        running = [threads.submit(reader.run, is_over) for reader in readers]
        try:
            time.sleep(0.5)
            yield readers
        finally:
            is_over.set()
        for each in running:
            each.result()


@contextmanager
def stopped(*processes: psutil.Process) -> Iterator[None]:
    """Stop processes as SIGSTOP does; the kernel goes on to acknowledge what their sockets get."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def processes_of(server: EmbeddedServer) -> list[psutil.Process]:
    postmaster = find_postmaster(server.data_directory)
    assert postmaster is not None
    process = psutil.Process(postmaster.process_id)
    return [process, *process.children(recursive=True)]


def test_a_stopped_server_frees_its_threads_and_leaves_other_servers_alone(
    settings: Settings,
) -> None:
    with server_folder() as folder:
        well, frozen = start(folder / "well"), start(folder / "frozen")
        installation = install_on(well.url(), settings, folder)
        added = installation.run("servers", "add", "frozen", "--url", text_of(frozen.url()))
        assert added.exit_code == 0, added.output
        ours = installation.make_client(installation.make_tenant(server="default"))
        theirs = installation.make_client(installation.make_tenant(server="frozen"))
        assert {client.get("/patients").status_code for client in (ours, theirs)} == {200}
        with reading(*(theirs.another() for _ in range(6)), ours) as readers:
            with stopped(*processes_of(frozen)):
                began = time.monotonic()
                time.sleep(FAULT_SECONDS)
            ended = time.monotonic()
            time.sleep(5)
            done = time.monotonic()

        neighbour, unlucky = readers[-1], readers[:-1]
        assert neighbour.statuses(0, done) == {200}
        for reader in unlucky:
            assert reader.slowest() < LONGEST_SECONDS
            assert reader.statuses(0, began - 0.5) <= {200}
            assert 503 in reader.statuses(began, ended)
            assert reader.statuses(done - 1, done) == {200}
        assert state_of(installation.app).bulkheads.running() == {}


def test_reads_go_to_the_primary_while_the_replica_is_stopped(settings: Settings) -> None:
    with server_folder() as folder:
        primary = start(folder / "primary")
        installation = install_on(primary.url(), settings, folder, replica_max_lag_ms=5000)
        tenant = installation.make_tenant()
        client = installation.make_client(tenant)
        standby = start_standby(primary, folder / "standby")
        changed = installation.run(
            "servers", "change", "default", "--replica", text_of(url_of(standby))
        )
        assert changed.exit_code == 0, changed.output
        client.add_patient("first")
        catch_up(standby, primary)
        _wait_until_the_replica_answers(installation, client)

        # Patients are read on the primary in any case.
        with reading(*(client.another() for _ in range(6)), path="/sites") as readers:
            writer = client.another()
            with stopped(*processes_of(standby)):
                began = time.monotonic()
                writer.add_patient("during")
                time.sleep(FAULT_SECONDS)
            time.sleep(1)

        for reader in readers:
            # While reads wait on the replica, further ones of the same tenant may be refused.
            assert reader.statuses(0, began + 5) <= {200, 503}
            assert reader.statuses(began + 5, time.monotonic()) == {200}
            assert reader.slowest() < LONGEST_SECONDS


def test_a_stopped_pooler_frees_its_threads(
    app: Flask, settings: Settings, make_tenant: MakeTenant, as_member: AsMember
) -> None:
    with running_pooler(app, server_login_retry="1") as pooler:
        tenant = make_tenant()
        members = [as_member(tenant) for _ in range(6)]
        pooler.learn_roles()
        pooled = create_app(replace(settings, pooler_url=pooler.url))
        clients = [Client(pooled, tenant, member.subject) for member in members]
        with reading(*clients) as readers:
            with stopped(psutil.Process(pooler.process.pid)):
                began = time.monotonic()
                time.sleep(FAULT_SECONDS)
            ended = time.monotonic()
            time.sleep(5)
            done = time.monotonic()

    for reader in readers:
        assert reader.slowest() < LONGEST_SECONDS
        assert 503 in reader.statuses(began, ended)
        assert reader.statuses(done - 1, done) == {200}
    assert state_of(pooled).bulkheads.running() == {}


def _wait_until_the_replica_answers(installation: Installation, client: Client) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert client.get("/sites").status_code == 200
        budget = state_of(installation.app).engines.budgets().get("default@0")
        if budget is not None and budget.counts.hits:
            return
        time.sleep(0.05)
    raise TimeoutError("The replica answers nothing.")
