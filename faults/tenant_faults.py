"""What operators and clients do to one tenant under load."""

import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread

from faults.fault import Fault, Reach
from faults.scene import Scene, many_threads

DRIPPING = 64
DRIP_SECONDS = 0.5
BOMB_LINES = 300_000


@contextmanager
def suspend_tenant(scene: Scene) -> Iterator[None]:
    slug = scene.victim().slug
    scene.installation.run_command("tenants", "suspend", slug, "--yes")
    yield
    scene.installation.run_command("tenants", "resume", slug)


@contextmanager
def rename_tenant(scene: Scene) -> Iterator[None]:
    slug = scene.victim().slug
    scene.installation.run_command("tenants", "rename", slug, f"{slug}-renamed", "--yes")
    yield
    scene.installation.run_command("tenants", "rename", f"{slug}-renamed", slug, "--yes")


@contextmanager
def drip(scene: Scene) -> Iterator[None]:
    """Open connections that send a byte of a request now and then, without a token."""
    is_over = Event()

    def send() -> None:
        request = b"POST /api/v1/patients HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
        while not is_over.is_set():
            try:
                with closing(
                    socket.create_connection(("127.0.0.1", scene.port), timeout=5)
                ) as connection:
                    connection.sendall(request)
                    while not is_over.wait(DRIP_SECONDS):
                        connection.sendall(b"{")
            except OSError:
                is_over.wait(DRIP_SECONDS)

    with many_threads(send, DRIPPING, is_over):
        yield


@contextmanager
def import_bomb(scene: Scene) -> Iterator[None]:
    """Import a small file that unpacks to many bad lines, four times at once."""
    line = json.dumps({"resourceType": "Patient", "birthDate": "bad"}).encode() + b"\n"
    bodies = [gzip.compress(line * BOMB_LINES + b"%d\n" % number, 6) for number in range(4)]

    def send(body: bytes) -> None:
        scene.sends(
            scene.victim(),
            "POST",
            "/api/v1/imports?source=bomb",
            seconds=30,
            body=body,
            headers={"Content-Type": "application/ndjson"},
        )

    threads = [Thread(target=send, args=(body,), daemon=True) for body in bodies]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(35)


FAULTS = (
    Fault(
        "tenant_suspended",
        "One tenant is suspended, and resumed.",
        suspend_tenant,
        Reach.ONE,
    ),
    Fault("tenant_renamed", "One tenant is renamed, and back.", rename_tenant, Reach.NOBODY),
    Fault(
        "clients_drip",
        "64 connections without a token send a byte every 0.5 s.",
        drip,
        Reach.NOBODY,
        seconds=10,
        is_quick=True,
    ),
    Fault(
        "import_bomb",
        "One tenant imports four small files at once that unpack to 300,000 bad lines each.",
        import_bomb,
        Reach.ONE,
        seconds=10,
    ),
)
