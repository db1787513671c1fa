"""Faults of gunicorn's processes and of deployments."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from faults.fault import Fault, Reach
from faults.scene import Scene
from faults.serving import start_gunicorn


@contextmanager
def kill_worker(scene: Scene) -> Iterator[None]:
    scene.server.workers()[0].kill()
    yield


@contextmanager
def kill_both_workers(scene: Scene) -> Iterator[None]:
    for worker in scene.server.workers():
        worker.kill()
    yield


@contextmanager
def reload_workers(scene: Scene) -> Iterator[None]:
    scene.server.process.send_signal(signal.SIGHUP)
    yield


@contextmanager
def restart(scene: Scene) -> Iterator[None]:
    """Stop gunicorn with SIGTERM, and start it again on the same port as soon as it has ended."""
    scene.server.stop()
    scene.gunicorn = start_gunicorn(scene.port, scene.installation.environment(), scene.server.log)
    scene.gunicorn.wait_until_live()
    yield


FAULTS = (
    Fault(
        "worker_killed",
        "One of two gunicorn workers is killed with SIGKILL.",
        kill_worker,
        Reach.NOBODY,
        seconds=0,
        may_break_connections=True,
        refusals=frozenset({"reset"}),
        is_quick=True,
    ),
    Fault(
        "both_workers_killed",
        "Both gunicorn workers are killed with SIGKILL at once.",
        kill_both_workers,
        Reach.EVERYONE,
        seconds=0,
        recovery_seconds=8,
        is_live=False,
    ),
    Fault(
        "sighup",
        "gunicorn gets SIGHUP, which replaces the workers.",
        reload_workers,
        Reach.NOBODY,
        seconds=10,
        p99_limit_ms=1000,
    ),
    Fault(
        "sigterm",
        "gunicorn gets SIGTERM, and is started again when it has ended.",
        restart,
        Reach.EVERYONE,
        seconds=0,
        is_live=False,
        refusals=frozenset({"refused"}),
    ),
)
