"""Faults of the network between the app and the first server, and of PgBouncer."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from faults import proxy
from faults.fault import Fault, Reach
from faults.pooler import with_pooler
from faults.scene import Scene


@contextmanager
def through_proxy(scene: Scene) -> Iterator[dict[str, str]]:
    """Let the app reach the first server through a TCP proxy."""
    url = scene.first.url
    with proxy.running_proxy(scene.first.socket()) as running:
        scene.proxy = running
        proxied = url.set(host="127.0.0.1", port=running.port, query={})
        yield {"TRIALLY_DATABASE_URL": proxied.render_as_string(hide_password=False)}


def being(mode: str) -> Callable[[Scene], AbstractContextManager[None]]:
    """Return a fault that puts the proxy into a mode."""

    @contextmanager
    def happen(scene: Scene) -> Iterator[None]:
        with scene.through.being(mode):
            yield

    return happen


@contextmanager
def suspend_pooler(scene: Scene) -> Iterator[None]:
    assert scene.pooler_id is not None
    os.kill(scene.pooler_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(scene.pooler_id, signal.SIGCONT)


@contextmanager
def kill_pooler(scene: Scene) -> Iterator[None]:
    assert scene.restart_pooler is not None
    assert scene.pooler_id is not None
    os.kill(scene.pooler_id, signal.SIGKILL)
    yield
    scene.restart_pooler()


def _of_network(
    name: str, what: str, mode: str, *, seconds: float, is_quick: bool = False
) -> Fault:
    return Fault(
        name,
        what,
        being(mode),
        Reach.FIRST_SERVER,
        seconds=seconds,
        prepare=through_proxy,
        is_quick=is_quick,
    )


FAULTS = (
    _of_network(
        "network_swallows",
        "Nothing is forwarded to the first server or from it, but TCP acknowledges all bytes.",
        proxy.SWALLOW,
        seconds=15,
    ),
    _of_network(
        "connections_frozen",
        "All open connections to the first server are silent for ever; new ones work.",
        proxy.FREEZE,
        seconds=8,
        is_quick=True,
    ),
    _of_network(
        "network_delays", "Each message is 100 ms late, in both directions.", proxy.DELAY, seconds=8
    ),
    _of_network(
        "connections_cut", "All connections to the first server are reset.", proxy.CUT, seconds=0
    ),
    _of_network(
        "network_refuses",
        "Connections to the first server are reset, and new ones are refused.",
        proxy.REFUSE,
        seconds=6,
    ),
    Fault(
        "pooler_suspended",
        "PgBouncer before the first server is stopped with SIGSTOP.",
        suspend_pooler,
        Reach.FIRST_SERVER,
        seconds=15,
        prepare=with_pooler,
    ),
    Fault(
        "pooler_killed",
        "PgBouncer before the first server is killed with SIGKILL, and started again.",
        kill_pooler,
        Reach.FIRST_SERVER,
        seconds=4,
        prepare=with_pooler,
    ),
)
