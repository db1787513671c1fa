"""All faults of moves, by name."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from faults import proxy
from faults.database_faults import fill, mounted_disk
from faults.installation import Server
from faults.moves.fault import FIRST, SECOND, MoveFault
from faults.network_faults import through_proxy
from faults.scene import Scene
from trially.tenancy.catalog_choices import Tier

POOLED, DEDICATED, SCHEMA = Tier.POOLED_ROWS, Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA
STEPS = ("copy", "catch_up", "open")
"""While the tenant is served, and behind the fence."""


def killing(server: str) -> Callable[[Scene], AbstractContextManager[None]]:
    """Return a fault that kills a server's postmaster with SIGKILL, and starts it again."""

    @contextmanager
    def happen(scene: Scene) -> Iterator[None]:
        killed: Server = scene.installation.servers[server]
        killed.processes()[0].kill()
        killed.wait_until_stopped()
        try:
            yield
        finally:
            killed.start()

    return happen


@contextmanager
def refuse(scene: Scene) -> Iterator[None]:
    """Cut the mover off from the first server."""
    with scene.through.being(proxy.REFUSE):
        yield


@contextmanager
def small_pool(scene: Scene) -> Iterator[dict[str, str]]:
    """Move the shared database of the second server to a small disk."""
    database = scene.installation.tenant("pooled-far").database
    with mounted_disk(scene, scene.second, database):
        yield {}


@contextmanager
def full_disk(scene: Scene) -> Iterator[None]:
    """Fill the small disk to the last byte."""
    file: Path = scene.installation.folder / "disk" / "full"
    fill(file)
    try:
        yield
    finally:
        file.unlink()


def _faults() -> Iterator[MoveFault]:
    for number, step in enumerate(STEPS):
        kill = f"is killed with SIGKILL at `{step}`, and started again."
        is_undone = number % 2 == 1
        yield MoveFault(
            f"source_killed_{step}",
            f"The source's server {kill}",
            killing(SECOND),
            step,
            (SCHEMA, SECOND),
            (DEDICATED, FIRST),
            is_undone=is_undone,
        )
        yield MoveFault(
            f"target_killed_{step}",
            f"The target's server {kill}",
            killing(SECOND),
            step,
            (POOLED, FIRST),
            (DEDICATED, SECOND),
            is_undone=is_undone,
        )
        yield MoveFault(
            f"catalog_killed_{step}",
            f"The server of the catalog alone {kill}",
            killing(FIRST),
            step,
            (DEDICATED, SECOND),
            (SCHEMA, SECOND),
            is_undone=is_undone,
        )
        yield MoveFault(
            f"network_cut_{step}",
            f"At `{step}`, the mover is cut off from the catalog and the source.",
            refuse,
            step,
            (SCHEMA, FIRST),
            (POOLED, SECOND),
            through_proxy,
            is_undone=is_undone,
        )
    for step in ("copy", "catch_up"):
        yield MoveFault(
            f"target_full_{step}",
            f"The disk of the target's database is full at `{step}`.",
            full_disk,
            step,
            (DEDICATED, FIRST),
            (POOLED, SECOND),
            small_pool,
        )


MOVE_FAULTS = {fault.name: fault for fault in _faults()}
QUICK = ("source_killed_copy", "catalog_killed_open")
"""Those that the test suite runs."""
