"""What the issuers of tenants may take from a process: requests that wait, and running fetches.

These bounds are apart from those of the issuers that operators trust. And each tenant has a part of
them only, so that one tenant's silent issuer delays the issuers of no other tenant.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Semaphore
from typing import Generic, TypeVar
from uuid import UUID

from trially.auth.rate_limit import RateLimit
from trially.auth.remote_keys import Places

Value = TypeVar("Value")

MOST_WAITING, MOST_WAITING_OF_TENANT = 6, 2
"""Requests that wait for keys of tenants' issuers: of a process, and of one tenant."""

MOST_FETCHES, MOST_FETCHES_OF_TENANT = 16, 2
"""Fetches of such keys that run at once, each in a thread and for 4 seconds at most."""

TESTS_AT_ONCE, SECONDS_BETWEEN_TESTS = 5, 10.0
"""How often a process tests the issuers of one tenant on request."""

MOST_TENANTS = 1_000
"""Tenants whose bounds are kept. The one used longest ago is dropped."""


class Recent(Generic[Value]):
    """The values of the ids that were used last, at most so many. Threads may share it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._values: OrderedDict[UUID, Value] = OrderedDict()

    def of(self, key: UUID, make: Callable[[], Value]) -> Value:
        """Return the value of an id, which is made if there is none."""
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
            return self._values[key]


class PartOf:
    """Places of one tenant, each of which is also one of all tenants' places."""

    def __init__(self, shared: Places, most: int) -> None:
        self._shared = shared
        self._own = Semaphore(most)

    def acquire(self, *, blocking: bool) -> bool:
        """Return whether both have a free place, and take it if so."""
        if not self._own.acquire(blocking=blocking):
            return False
        if self._shared.acquire(blocking=blocking):
            return True
        self._own.release()
        return False

    def release(self) -> None:
        """Give the place back to both."""
        self._shared.release()
        self._own.release()


class TenantBounds:
    """The part of one tenant."""

    def __init__(self, waiting: Places, fetches: Places) -> None:
        self.waiting = PartOf(waiting, MOST_WAITING_OF_TENANT)
        self.fetches = PartOf(fetches, MOST_FETCHES_OF_TENANT)
        self.tests = RateLimit(TESTS_AT_ONCE, SECONDS_BETWEEN_TESTS)

    @contextmanager
    def fetching(self) -> Iterator[bool]:
        """Yield whether the block may fetch."""
        has_place = self.fetches.acquire(blocking=False)
        try:
            yield has_place
        finally:
            if has_place:
                self.fetches.release()


class Bounds:
    """The bounds of one process."""

    def __init__(self) -> None:
        self._waiting, self._fetches = Semaphore(MOST_WAITING), Semaphore(MOST_FETCHES)
        self._tenants: Recent[TenantBounds] = Recent(MOST_TENANTS)

    def of(self, tenant_id: UUID) -> TenantBounds:
        """Return the part of a tenant."""
        return self._tenants.of(tenant_id, lambda: TenantBounds(self._waiting, self._fetches))
