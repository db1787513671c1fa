"""The threads of a worker that send webhooks. They are apart from those that run jobs.

A thread that waits for a slow receiver delays no job and no other tenant: a tenant holds a few of
the threads at most, and a receiver that does not answer holds one for seconds, then none for a
while.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Sequence
from uuid import UUID

from flask import Flask

from trially.jobs.wakeups import wake
from trially.tenancy.directory import directory
from trially.tenancy.schema.failures import describe_failure
from trially.webhooks.sending import send_to

log = logging.getLogger(__name__)

IDLE_SECONDS = 30.0
"""A thread that has nothing to send for so long ends."""

Work = tuple[UUID, UUID, UUID]
"""Tenant, endpoint and lease."""


class Senders:
    """A pool of threads, of which each tenant may use some. They are started when needed."""

    def __init__(self, app: Flask, threads: int, per_tenant: int) -> None:
        self._app = app
        self._most, self._per_tenant = threads, per_tenant
        self._changed = threading.Condition()
        self._waiting: deque[Work] = deque()
        self._threads = 0
        self._idle = 0
        self._busy: Counter[UUID] = Counter()

    def free_places(self, tenant_id: UUID) -> int:
        """Return for how many endpoints of a tenant there is a thread."""
        with self._changed:
            in_all = self._most - sum(self._busy.values())
            return max(0, min(in_all, self._per_tenant - self._busy[tenant_id]))

    def send(self, tenant_id: UUID, endpoint_ids: Sequence[UUID], lease_id: UUID) -> None:
        """Let threads send to endpoints that were claimed."""
        with self._changed:
            for endpoint_id in endpoint_ids:
                self._busy[tenant_id] += 1
                self._waiting.append((tenant_id, endpoint_id, lease_id))
                if self._idle < len(self._waiting) and self._threads < self._most:
                    self._threads += 1
                    threading.Thread(target=self._run, name="webhooks", daemon=True).start()
            self._changed.notify_all()

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until nothing is sent, and return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy, seconds)

    def _run(self) -> None:
        while (work := self._take()) is not None:
            tenant_id = work[0]
            try:
                has_more = send_to(self._app, *work)
            except Exception as error:  # noqa: BLE001  the lease ends, and somebody tries again
                has_more = False
                log.warning(
                    "Webhooks were not sent: %s",
                    describe_failure(error),
                    extra={"tenant_id": str(tenant_id)},
                )
                with self._app.app_context():
                    directory().forget(tenant_id)
            with self._changed:
                self._busy[tenant_id] -= 1
                self._busy += Counter()
                self._changed.notify_all()
            with self._app.app_context():
                if has_more:
                    wake(tenant_id)

    def _take(self) -> Work | None:
        """Return what to send next, or None if there is nothing for long."""
        with self._changed:
            self._idle += 1
            has_work = self._changed.wait_for(lambda: bool(self._waiting), IDLE_SECONDS)
            self._idle -= 1
            if has_work:
                return self._waiting.popleft()
            self._threads -= 1
            return None
