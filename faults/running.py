"""Run one fault under load, and return its outcome."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import MappingProxyType

from faults.fault import Fault
from faults.installation import Installation
from faults.ledger import audit
from faults.load import Load, Record
from faults.outcome import Outcome, Times, judge
from faults.patroni_cluster import PatroniCluster
from faults.ports import free_port
from faults.scene import Scene
from faults.serving import start_gunicorn

BEFORE_SECONDS = 4.0
AFTER_SECONDS = 8.0
QUIET_SECONDS = 1.5
"""After the load, before threads are counted."""

WARM_UP_ROUNDS = 4
POLL_SECONDS = 0.2


def run(
    fault: Fault,
    installation: Installation,
    *,
    before: float = BEFORE_SECONDS,
    seconds: float | None = None,
    after: float = AFTER_SECONDS,
    is_patient: bool = False,
    patroni: PatroniCluster | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Outcome:
    """Run a fault: some seconds of load before it, during it and after it.

    `after` is how long the load goes on after the fault. With `is_patient`, it goes on for so long
    only if the clients of a tenant are not served before. `environment` has settings of the app
    that differ from the installation's.
    """
    scene = Scene(installation, free_port(), patroni=patroni)
    lasting = fault.seconds if seconds is None else seconds
    with ExitStack() as stack:
        changes = stack.enter_context(fault.prepare(scene))
        scene.environment = installation.environment(**environment, **changes)
        happening = stack.enter_context(ExitStack())
        if fault.is_before_start:
            happening.enter_context(fault.happen(scene))
        stack.callback(scene.kill_gunicorn)
        _serve(scene, fault)
        idle = scene.server.sample_threads()
        load_begun = begun = time.monotonic()
        with Load(scene.port, installation.tenants) as load:
            if not fault.is_before_start:
                time.sleep(before)
                begun = time.monotonic()
                happening.enter_context(fault.happen(scene))
            time.sleep(lasting)
            happening.close()
            ended = time.monotonic()
            if is_patient:
                _wait_until_served(installation, load.record, ended + after)
            else:
                time.sleep(after)
            load_ended = time.monotonic()
        times = Times(load_begun, begun, ended, load_ended)
        threads = _threads_left(scene, idle)
        audited = audit(installation, load.record)
        return judge(fault, installation, load.record, audited, times, threads)


def _serve(scene: Scene, fault: Fault) -> None:
    """Start gunicorn, and let its workers meet each tenant before anything is measured."""
    log = scene.installation.folder / f"{fault.name}.log"
    scene.gunicorn = start_gunicorn(scene.port, scene.environment, log)
    scene.gunicorn.wait_until_live()
    if fault.is_before_start:
        return
    scene.wait_until_ready()
    for _ in range(WARM_UP_ROUNDS):
        for tenant in scene.installation.tenants:
            scene.sends(tenant, "GET", "/api/v1/patients?limit=1", seconds=10)


def _wait_until_served(installation: Installation, record: Record, deadline: float) -> None:
    """Wait until each tenant's last requests are served and began after now."""
    begun = time.monotonic()
    while time.monotonic() < deadline:
        last = {}
        for attempt in list(record.attempts):
            last[attempt.tenant] = attempt
        if all(
            tenant.slug in last and last[tenant.slug].is_served and last[tenant.slug].begun > begun
            for tenant in installation.tenants
        ):
            time.sleep(1)
            return
        time.sleep(POLL_SECONDS)


def _threads_left(scene: Scene, idle: list[int]) -> int | None:
    """Return how many threads wait at sockets, all the time, more than before the load."""
    time.sleep(QUIET_SECONDS)
    left = scene.server.sample_threads()
    return max(0, min(left) - max(idle)) if left and idle else None
