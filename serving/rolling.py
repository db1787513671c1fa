"""Replace workers one at a time, in gunicorn's master.

On SIGHUP, gunicorn ends its workers as soon as it has forked new ones, which need seconds to load
the app. Here, a worker ends only when its replacement is ready. If a replacement does not become
ready, the others go on serving.
"""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from serving.slots import State, shared_slots

LONGEST_PAUSE_SECONDS = 30.0
FAILED = 1
"""Exit status of a worker that cannot start. The master goes on."""


class Supervisor:
    """Takes over from gunicorn's arbiter how many workers run, and what SIGHUP does."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._workers: dict[int, Any] = {}
        self._retiring: set[int] = set()
        self._outdated: list[Any] = []
        """Workers to be replaced, oldest first."""

        self._replacement: Any = None
        self._has_served = False
        self._failures = 0
        self._pause_until = 0.0
        self._reloads = 0

    def install(self) -> None:
        """Take over from the arbiter."""
        self._server.supervisor = self
        self._server.handle_hup = self.reload
        self._server.manage_workers = self.manage

    def prepare(self, worker: Any) -> None:
        """Tell a worker before it is forked whether others serve until it is ready."""
        worker.is_replacement = any(other.has_been_ready for other in self._serving())

    def after_fork(self) -> None:
        """In a new worker: let its failure to start end the master only if none ever served."""
        if self._has_served:
            self._server.WORKER_BOOT_ERROR = self._server.APP_LOAD_ERROR = FAILED

    def reload(self) -> None:
        """Begin to replace all workers."""
        self._reloads += 1
        self._note("running")
        if not self._reload_configuration():
            self._note("failed")
            return
        if self._replacement is not None:
            self._retire(self._replacement)
            self._replacement = None
        self._outdated = self._serving()
        self._failures = 0
        self._pause_until = 0
        self._server.log.info("Replacing %s workers.", len(self._outdated))
        self.manage()

    def manage(self) -> None:
        """Start and end workers as needed. The arbiter calls it once a second, or more often."""
        self._notice_ended()
        self._retiring &= self._workers.keys()
        if [worker for worker in self._workers.values() if _has_become_ready(worker)]:
            self._has_served = True
            self._failures = 0
        if self._replacement is not None and self._replacement.has_been_ready:
            self._replacement = None
            if self._outdated:
                self._retire(self._outdated.pop(0))
            if not self._outdated:
                self._server.log.info("All workers have been replaced.")
                self._note("done")
        if self._outdated and self._replacement is None:
            self._replacement = self._start()
        surplus = len(self._serving()) - self._server.num_workers
        if surplus < 0 and time.monotonic() >= self._pause_until:
            for _ in range(-surplus):
                self._start()
        elif surplus > 0 and not self._outdated:
            self._retire(self._serving()[0])

    def _reload_configuration(self) -> bool:
        server = self._server
        configuration = server.app.cfg
        try:
            server.app.reload()
            server.setup(server.app)
            server.cfg.on_reload(server)
        except (Exception, SystemExit):
            server.app.cfg = server.cfg = configuration
            server.log.exception("The configuration cannot be loaded, so no worker is replaced.")
            return False
        if server.cfg.address != configuration.address:
            server.log.warning("Another address needs a restart, because SIGHUP keeps the old one.")
        server.log.reopen_files()
        return True

    def _notice_ended(self) -> None:
        for process_id in self._workers.keys() - self._server.WORKERS.keys():
            worker = self._workers.pop(process_id)
            if worker.slot is not None:
                shared_slots().release(worker.slot)
            if worker in self._outdated:
                self._outdated.remove(worker)
            has_failed = not worker.has_been_ready and process_id not in self._retiring
            if worker is self._replacement:
                self._abandon()
            elif has_failed:
                self._failures += 1
                pause = min(2.0**self._failures, LONGEST_PAUSE_SECONDS)
                self._pause_until = time.monotonic() + pause

    def _abandon(self) -> None:
        """Keep the workers that serve, because the replacement could not start."""
        self._replacement = None
        self._outdated = []
        self._server.log.error("The new worker could not start, so the other workers go on.")
        self._note("failed")

    def _start(self) -> Any:
        worker = self._server.WORKERS[self._server.spawn_worker()]
        worker.has_been_ready = False
        self._workers[worker.pid] = worker
        return worker

    def _serving(self) -> list[Any]:
        """Return the workers that are neither ending nor on trial, oldest first."""
        return sorted(
            (
                worker
                for worker in self._workers.values()
                if worker.pid not in self._retiring and worker is not self._replacement
            ),
            key=lambda worker: int(worker.age),
        )

    def _retire(self, worker: Any) -> None:
        self._retiring.add(worker.pid)
        self._server.kill_worker(worker.pid, signal.SIGTERM)

    def _note(self, state: str) -> None:
        """Write beside the pidfile how far the reload is, for `flask deploy`."""
        if not self._server.cfg.pidfile:
            return
        path = status_path(self._server.cfg.pidfile)
        temporary = path.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            temporary.write_text(
                json.dumps({"pid": self._server.pid, "reload": self._reloads, "state": state})
            )
            temporary.replace(path)


def status_path(pidfile: str | Path) -> Path:
    """Return the file that says how far the last reload is."""
    return Path(f"{pidfile}.reload")


def _has_become_ready(worker: Any) -> bool:
    """Return whether a worker serves since now. One without a slot counts as ready at once."""
    if worker.has_been_ready:
        return False
    is_ready = worker.slot is None or shared_slots().state(worker.slot) is State.SERVING
    worker.has_been_ready = is_ready
    return is_ready
