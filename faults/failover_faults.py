"""Faults of a first server that is a cluster of Patroni."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from faults.fault import Fault, Reach
from faults.scene import Scene

FAILOVER_TIMEOUT_SECONDS = 90


@contextmanager
def kill_leader(scene: Scene) -> Iterator[None]:
    """Kill the leader's Patroni and PostgreSQL, and wait until the standby leads."""
    cluster = scene.patroni
    assert cluster is not None
    former = cluster.leader()
    successor = cluster.other(former)
    cluster.kill(former)
    deadline = time.monotonic() + FAILOVER_TIMEOUT_SECONDS
    while not successor.is_leader():
        if time.monotonic() > deadline:
            raise TimeoutError(f"No failover: {cluster.log.read_text()[-3000:]}")
        time.sleep(0.1)
    yield


LEADER_KILLED = Fault(
    "leader_killed",
    "The leader of two PostgreSQL nodes, and its Patroni, are killed with SIGKILL;"
    " it ends when the standby leads.",
    kill_leader,
    Reach.FIRST_SERVER,
    seconds=0,
    is_of_patroni=True,
)

FAULTS = (LEADER_KILLED,)
