"""Faults of a first server that is a cluster of Patroni."""

from collections.abc import Iterator
from contextlib import contextmanager

from faults.fault import Fault, Reach
from faults.patroni_cluster import PatroniCluster
from faults.scene import Scene


def cluster_of(scene: Scene) -> PatroniCluster:
    assert scene.patroni is not None
    return scene.patroni


@contextmanager
def kill_leader(scene: Scene) -> Iterator[None]:
    """Kill the leader's Patroni and PostgreSQL, and wait until the standby leads."""
    cluster = cluster_of(scene)
    former = cluster.leader()
    cluster.kill(former)
    cluster.wait_for_leader(cluster.other(former))
    yield


@contextmanager
def switch_leader(scene: Scene) -> Iterator[None]:
    cluster = cluster_of(scene)
    successor = cluster.other(cluster.leader())
    cluster.switch_over()
    cluster.wait_for_leader(successor)
    yield


@contextmanager
def kill_standby(scene: Scene) -> Iterator[None]:
    """Kill the standby's Patroni and PostgreSQL, and start them again after the fault."""
    cluster = cluster_of(scene)
    standby = cluster.other(cluster.leader())
    cluster.kill(standby)
    yield
    cluster.start(standby)


@contextmanager
def suspend_etcd(scene: Scene) -> Iterator[None]:
    """Stop etcd with SIGSTOP, and wait after the fault until a node leads again."""
    cluster = cluster_of(scene)
    cluster.etcd.suspend()
    try:
        yield
    finally:
        cluster.etcd.resume()
    cluster.wait_for_leader()


LEADER_KILLED = Fault(
    "leader_killed",
    "The leader of two PostgreSQL nodes, and its Patroni, are killed with SIGKILL;"
    " it ends when the standby leads.",
    kill_leader,
    Reach.FIRST_SERVER,
    seconds=0,
    is_of_patroni=True,
)

FAULTS = (
    LEADER_KILLED,
    Fault(
        "leader_switched",
        "`patronictl switchover` makes the standby the leader.",
        switch_leader,
        Reach.FIRST_SERVER,
        seconds=0,
        is_of_patroni=True,
    ),
    Fault(
        "standby_killed",
        "The synchronous standby and its Patroni are killed with SIGKILL, and started again.",
        kill_standby,
        Reach.FIRST_SERVER,
        seconds=10,
        is_of_patroni=True,
    ),
    Fault(
        "etcd_suspended",
        "etcd is stopped with SIGSTOP for 25 s; it ends when a node leads again.",
        suspend_etcd,
        Reach.FIRST_SERVER,
        seconds=25,
        is_of_patroni=True,
    ),
)
