"""An attempt to run a job, and the heartbeat that renews its lease meanwhile."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from flask import Flask

from trially.database.session import open_transaction, transaction
from trially.jobs.claiming import ClaimedJob, write_claimed
from trially.jobs.kinds import Kind, LeaseLostError, Turn
from trially.tenancy.context import enter_tenant
from trially.tenancy.directory import directory

log = logging.getLogger(__name__)

MOST_SECONDS_BETWEEN_BEATS = 2.0
"""A heartbeat also finds out that a job was cancelled."""

GRACE_SECONDS = 30.0
"""How long an attempt may go on after its time, before its worker is taken for stuck."""


@contextmanager
def tenant_of_job(app: Flask, tenant_id: UUID) -> Iterator[None]:
    """Push an app context whose current tenant has this id, where it is placed now."""
    with app.app_context():
        enter_tenant(directory().find(str(tenant_id)))
        yield


@contextmanager
def writing_to_job(app: Flask, tenant_id: UUID) -> Iterator[None]:
    """Run the block in a transaction of a job's tenant, which follows the tenant if it moves."""
    with tenant_of_job(app, tenant_id), transaction():
        open_transaction()
        yield


@dataclass(eq=False)
class Attempt:
    """One attempt of this process to run a job."""

    job: ClaimedJob
    kind: Kind
    must_end: threading.Event = field(default_factory=threading.Event)
    is_cancelled: bool = False
    turn: Turn | None = None
    """The step that runs now."""

    ends_at: float = field(init=False)
    """When the attempt's time is used up, by `time.monotonic()`."""

    def __post_init__(self) -> None:
        """Begin to count the time."""
        self.ends_at = time.monotonic() + self.kind.most_seconds
        if self.job.is_cancelled:
            self.cancel()

    def cancel(self) -> None:
        """End the attempt, because someone has asked to cancel the job."""
        self.is_cancelled = True
        self.must_end.set()

    @property
    def is_stuck(self) -> bool:
        """Whether the attempt has not ended although its time was used up long ago."""
        return time.monotonic() > self.ends_at + GRACE_SECONDS


class Heart(threading.Thread):
    """Renews the lease of the attempt that one thread of a worker runs, but not after its time.

    It is a thread of its own, because a database that does not answer must not delay the leases of
    other tenants' jobs.
    """

    def __init__(self, app: Flask, lease_seconds: float) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self.lease_seconds = lease_seconds
        self._app = app
        self._pause = min(lease_seconds / 3, MOST_SECONDS_BETWEEN_BEATS)
        self._attempt: Attempt | None = None
        self._stopping = threading.Event()

    @contextmanager
    def beating(self, attempt: Attempt) -> Iterator[None]:
        """Renew the lease of an attempt while the block runs."""
        if not self.is_alive():
            self.start()
        self._attempt = attempt
        try:
            yield
        finally:
            self._attempt = None

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()

    def run(self) -> None:
        """Renew leases until `stop` is called."""
        while not self._stopping.wait(self._pause):
            attempt = self._attempt
            if attempt is not None and time.monotonic() < attempt.ends_at:
                self._beat(attempt)

    def _beat(self, attempt: Attempt) -> None:
        try:
            self._renew(attempt)
        except LeaseLostError:
            # The attempt may also have ended meanwhile. Its end is not disturbed by this.
            attempt.must_end.set()
        except Exception as error:  # noqa: BLE001  the next beat may come in time
            log.warning("The lease of a job was not renewed: %s.", type(error).__name__)

    def _renew(self, attempt: Attempt) -> None:
        turn = attempt.turn
        progress = "" if turn is None else ", progress_done = :done, progress_total = :total"
        with writing_to_job(self._app, attempt.job.tenant_id):
            is_cancelled = write_claimed(
                attempt.job,
                f"due_at = clock_timestamp() + make_interval(secs => :lease){progress}",
                lease=self.lease_seconds,
                **({} if turn is None else {"done": turn.done, "total": turn.total}),
            )
        if is_cancelled:
            attempt.cancel()
