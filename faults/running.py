"""Run one fault under load, and return its outcome."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import MappingProxyType

from faults.fault import Fault
from faults.installation import Installation
from faults.ledger import audit
from faults.load import Load
from faults.outcome import Outcome, Times, judge
from faults.patroni_cluster import PatroniCluster
from faults.ports import free_port
from faults.scene import Scene
from faults.serving import gunicorn

BEFORE_SECONDS = 4.0
AFTER_SECONDS = 8.0
QUIET_SECONDS = 2.0
"""After the load, before threads are counted."""


def run(
    fault: Fault,
    installation: Installation,
    *,
    before: float = BEFORE_SECONDS,
    seconds: float | None = None,
    after: float = AFTER_SECONDS,
    patroni: PatroniCluster | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Outcome:
    """Run a fault: some seconds of load before it, during it and after it.

    `environment` has settings of the app that differ from the installation's.
    """
    scene = Scene(installation, free_port(), patroni=patroni)
    lasting = fault.seconds if seconds is None else seconds
    log = installation.folder / f"{fault.name}.log"
    with ExitStack() as stack:
        changes = stack.enter_context(fault.prepare(scene))
        scene.environment = installation.environment(**environment, **changes)
        happening = ExitStack()
        stack.enter_context(happening)
        if fault.is_before_start:
            happening.enter_context(fault.happen(scene))
        scene.gunicorn = stack.enter_context(gunicorn(scene.port, scene.environment, log))
        if not fault.is_before_start:
            scene.wait_until_ready()
            _warm_up(scene)
        idle = scene.gunicorn.threads_at_sockets()
        load_begun = begun = time.monotonic()
        with Load(scene.port, installation.tenants) as load:
            if not fault.is_before_start:
                time.sleep(before)
                begun = time.monotonic()
                happening.enter_context(fault.happen(scene))
            time.sleep(lasting)
            happening.close()
            ended = time.monotonic()
            time.sleep(after)
            load_ended = time.monotonic()
        threads = _threads_left(scene, idle)
        times = Times(load_begun, begun, ended, load_ended)
        audited = audit(installation, load.record)
        return judge(fault, installation, load.record, audited, times, threads)


def _warm_up(scene: Scene) -> None:
    """Let both workers meet each tenant, so that the first measured requests are not cold."""
    for _ in range(4):
        for tenant in scene.installation.tenants:
            scene.sends(tenant, "GET", "/api/v1/patients?limit=1", seconds=10)


def _threads_left(scene: Scene, idle: int | None) -> int | None:
    """Return how many threads wait at sockets more than before the load."""
    time.sleep(QUIET_SECONDS)
    left = scene.server.threads_at_sockets()
    return None if left is None or idle is None else max(0, left - idle)
