"""What a fault acts on: an installation under load, and what was prepared for the fault."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from faults.installation import Installation, LoadedTenant, Server
from faults.patroni_cluster import PatroniCluster
from faults.proxy import Proxy
from faults.serving import Gunicorn

LONGEST_REQUEST_SECONDS = 12


@contextmanager
def many_threads(act: Callable[[], None], number: int, is_over: Event) -> Iterator[None]:
    """Let threads do something until the block ends, which sets `is_over`."""
    threads = [Thread(target=act, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join(LONGEST_REQUEST_SECONDS)


class CannotRunError(Exception):
    """This machine lacks what a fault needs; the message says what."""


@dataclass
class Scene:
    """An installation, its gunicorn once it runs, and what stands between the two."""

    installation: Installation
    port: int
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    gunicorn: Gunicorn | None = None
    proxy: Proxy | None = None
    pooler_id: int | None = None
    """The process id of PgBouncer."""

    restart_pooler: Callable[[], None] | None = None
    replica: Server | None = None
    patroni: PatroniCluster | None = None
    """What runs the first server, if it is a cluster."""

    @property
    def first(self) -> Server:
        return self.installation.servers["default"]

    @property
    def second(self) -> Server:
        return self.installation.servers["second"]

    @property
    def server(self) -> Gunicorn:
        assert self.gunicorn is not None
        return self.gunicorn

    @property
    def through(self) -> Proxy:
        assert self.proxy is not None
        return self.proxy

    def kill_gunicorn(self) -> None:
        """Kill gunicorn, if it was started."""
        if self.gunicorn is not None:
            self.gunicorn.kill()

    def victim(self) -> LoadedTenant:
        return self.installation.tenant("dedicated-one")

    @contextmanager
    def crowd(self, tenant: LoadedTenant, clients: int) -> Iterator[None]:
        """Let many more clients of a tenant read, without think time."""
        is_over = Event()

        def read() -> None:
            while not is_over.is_set():
                if not self.sends(tenant, "GET", "/api/v1/patients?limit=1", seconds=10):
                    is_over.wait(0.2)

        with many_threads(read, clients, is_over):
            yield

    def sends(
        self, tenant: LoadedTenant, method: str, path: str, *, seconds: float, **options: Any
    ) -> bool:
        """Send one request outside the load, and return whether it was served."""
        headers = {"Authorization": f"Bearer {tenant.token}", "Connection": "close"}
        headers |= options.pop("headers", {})
        try:
            with closing(
                http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
            ) as connection:
                connection.request(method, path, headers=headers, **options)
                answer = connection.getresponse()
                answer.read()
                return answer.status < 300
        except (OSError, http.client.HTTPException):
            return False

    def wait_until_ready(self, seconds: float = 30) -> None:
        """Wait until /readyz answers 200, or raise TimeoutError with its last answer."""
        deadline, said = time.monotonic() + seconds, ""
        while time.monotonic() < deadline:
            try:
                with closing(
                    http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                ) as connection:
                    connection.request("GET", "/readyz", headers={"Connection": "close"})
                    answer = connection.getresponse()
                    said = json.dumps(json.load(answer))
                    if answer.status == 200:
                        return
            except (OSError, http.client.HTTPException, ValueError) as error:
                said = str(error)
            time.sleep(0.1)
        raise TimeoutError(f"/readyz is not 200 after {seconds:.0f} s: {said}")
