"""Run a load: the clients of each tenant in threads of their own, until the load is stopped."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from threading import Event, Thread
from uuid import uuid4

from trially.demo.load.clients import Client
from trially.demo.load.findings import Finding, Verdict
from trially.demo.load.importing import Importer
from trially.demo.load.ledger import Ledger
from trially.demo.load.reading import Reader
from trially.demo.load.sending import GIVES_UP_SECONDS, TIMEOUT_SECONDS, Sender
from trially.demo.load.traffic import Traffic
from trially.demo.load.verifying import compare_imported, compare_records, try_elsewhere
from trially.demo.load.writing import Writer

THINKING_SECONDS = 0.02
IMPORTED_PATIENTS = 2_000


@dataclass(frozen=True)
class LoadedTenant:
    """A tenant, and the clients that work in it. `token` returns a valid token of an admin."""

    slug: str
    token: Callable[[], str]
    writers: int = 8
    readers: int = 2
    importers: int = 0
    """0 or 1: imports of one tenant would change the same patients. They need a worker."""


class Load:
    """The clients of some tenants of one server, and what they were told.

    `url` is the server's, without a path. A client waits for `thinking_seconds` after each answer.
    A request that fails is repeated for `patience` seconds.
    """

    def __init__(
        self,
        url: str,
        tenants: Sequence[LoadedTenant],
        *,
        thinking_seconds: float = THINKING_SECONDS,
        patience: float = GIVES_UP_SECONDS,
        imported_patients: int = IMPORTED_PATIENTS,
    ) -> None:
        run = uuid4().hex[:8]
        self.tenants = tuple(tenants)
        self.traffic = Traffic()
        self.findings: list[Finding] = []
        self.ledgers = {each.slug: Ledger(each.slug, run, self.findings) for each in tenants}
        self.importers: list[Importer] = []
        self._url, self._patience, self._imported = url, patience, imported_patients
        self._thinking, self._is_over = thinking_seconds, Event()
        self._failures: list[Exception] = []
        self._verdict: Verdict | None = None
        actors = chain.from_iterable(map(self._actors_of, tenants))
        self._threads = [
            Thread(target=self._act, args=actor, name="load", daemon=True) for actor in actors
        ]

    def start(self) -> None:
        """Start the clients."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the load. Each client waits for the answer to its last request, or its import.

        Raises the error of a client that failed in a way that the ledger does not know.
        """
        self._is_over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        if self._failures:
            raise self._failures[0]

    def acknowledged(self) -> int:
        """Return how many writes were acknowledged so far."""
        return sum(ledger.count_acknowledged() for ledger in self.ledgers.values())

    def verdict(self) -> Verdict:
        """Stop the load, read everything back once, and return what is amiss."""
        self.stop()
        if self._verdict is None:
            compared = sum(map(self._compare, self.tenants))
            self._verdict = Verdict(self.acknowledged(), compared, tuple(self.findings))
        return self._verdict

    def _actors_of(self, tenant: LoadedTenant) -> Iterator[tuple[Sender, Iterator[None]]]:
        for number in range(tenant.writers):
            sender = self._sender_of(tenant, self.traffic)
            yield sender, Writer(sender, number).steps()
        for _ in range(tenant.readers):
            sender = self._sender_of(tenant, self.traffic)
            yield sender, Reader(sender).steps()
        for _ in range(tenant.importers):
            sender = self._sender_of(tenant, self.traffic)
            self.importers.append(Importer(sender, self._imported))
            yield sender, self.importers[-1].steps()

    def _sender_of(self, tenant: LoadedTenant, traffic: Traffic) -> Sender:
        client = Client(self._url, tenant.token, TIMEOUT_SECONDS)
        return Sender(client, self.ledgers[tenant.slug], traffic, self._patience)

    def _act(self, sender: Sender, steps: Iterator[None]) -> None:
        try:
            for _ in steps:
                if self._is_over.wait(self._thinking):
                    break
        except Exception as error:  # noqa: BLE001  `stop` raises it in the thread that waits
            self._failures.append(error)
        finally:
            sender.close()

    def _compare(self, tenant: LoadedTenant) -> int:
        """Read a tenant back; its requests are not part of the traffic."""
        sender = self._sender_of(tenant, Traffic())
        others = [each for slug, each in self.ledgers.items() if slug != tenant.slug]
        try:
            compared = compare_records(sender)
            if tenant.importers:
                compared += compare_imported(sender, self._imported)
            try_elsewhere(sender, others)
        finally:
            sender.close()
        return compared


@contextmanager
def running_load(url: str, tenants: Sequence[LoadedTenant], **options: float) -> Iterator[Load]:
    """Load some tenants until the block ends. The options are those of `Load`."""
    load = Load(url, tenants, **options)  # type: ignore[arg-type]
    load.start()
    try:
        yield load
    finally:
        load.stop()
