"""The tenant that moves, what serves it, and the load in it."""

import itertools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from faults.children import tied
from faults.installation import Installation
from faults.moves.exporting import Exporter
from faults.moves.sides import inventory, placements_of, writable_sides
from faults.ports import free_port
from faults.scene import Scene
from faults.serving import start_gunicorn
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.config import ROOT
from trially.demo.load import Load, LoadedTenant, running_load
from trially.tenancy.catalog import Operation, PlacementRecord, Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.moving.steps import MOVE
from trially.tenancy.lifecycle.operations import all_operations
from trially.tenancy.lifecycle.provisioning import create_tenant

WRITERS, READERS = 8, 2
PATIENTS_OF_AN_IMPORT = 500
BESIDE = "pooled-one"
"""A tenant that does not move, and whose records and answers are compared as well."""

COMMANDS = {"worker": ("worker",), "moves": ("tenants", "settle-moves", "--every", "2s")}
"""What the Procfile lets run beside gunicorn."""

STEP_SECONDS = 90.0
"""The longest time until the mover reaches the step at which it stops."""

MOVER_SECONDS = 90.0
LONGEST_PAUSE = 5.0
"""How long requests may wait for a switch, in s: a server that is started again is slow."""

BEFORE_SECONDS, AFTER_SECONDS = 2.0, 2.0
"""How long the load runs before a move and after it."""

_numbers = itertools.count(1)


@dataclass
class Moved:
    """A tenant that moves, and its placements."""

    installation: Installation
    tenant: Tenant
    source: PlacementRecord
    target: PlacementRecord | None = None

    def operation(self) -> Operation:
        """Return the operation of the move."""
        with self.installation.app.app_context():
            ours = (each for each in all_operations() if each.tenant_id == self.tenant.id)
            return next(each for each in ours if each.kind == MOVE.name)

    def placements(self) -> list[PlacementRecord]:
        with self.installation.app.app_context():
            return placements_of(self.tenant.id)

    def writable(self) -> list[PlacementRecord]:
        with self.installation.app.app_context():
            return writable_sides(self.tenant.id)


@dataclass
class Stage:
    """A tenant under load, served as the Procfile says."""

    moved: Moved
    scene: Scene
    log: Path
    """The log of gunicorn. Those of other processes are beside it."""

    environment: dict[str, str] = field(repr=False)
    before: frozenset[str]
    """What was on the servers before the move."""

    load: Load
    exporter: Exporter | None = None


@contextmanager
def staged(
    name: str, source: tuple[Tier, str], scene: Scene, *, with_exports: bool = False
) -> Iterator[Stage]:
    """Serve a new tenant under load for the block. `name` is that of the log.

    `with_exports` lets jobs export the tenant meanwhile, one after the other.
    """
    installation = scene.installation
    with ExitStack() as stack:
        moved = _make_tenant(installation, *source)
        before = inventory(installation)
        environment = installation.environment()
        log = installation.folder / f"move-{name}.log"
        scene.gunicorn = start_gunicorn(scene.port, environment, log)
        stack.callback(scene.kill_gunicorn)
        scene.gunicorn.wait_until_live()
        for title, command in COMMANDS.items():
            stack.enter_context(_flask(environment, log.with_suffix(f".{title}"), *command))
        url = f"http://127.0.0.1:{scene.port}"
        tenants = [
            _loaded(installation, moved.tenant.slug, WRITERS, READERS, importers=1),
            _loaded(installation, BESIDE, 1, 1),
        ]
        load = stack.enter_context(
            running_load(url, tenants, imported_patients=PATIENTS_OF_AN_IMPORT)
        )
        stage = Stage(moved, scene, log, environment, before, load)
        if with_exports:
            stage.exporter = Exporter(url, tenants[0].token)
            stack.enter_context(stage.exporter.running())
        yield stage


def new_scene(installation: Installation) -> Scene:
    """Return a scene whose gunicorn is not started yet."""
    return Scene(installation, free_port())


def _make_tenant(installation: Installation, tier: Tier, server: str) -> Moved:
    slug = f"moved-{next(_numbers)}"
    with installation.app.app_context():
        tenant = create_tenant(slug, slug, tier=tier, server=server)
        with tenant_context(slug):
            add_member("faults", Role.ADMIN)
        (source,) = placements_of(tenant.id)
    return Moved(installation, tenant, source)


def _loaded(
    installation: Installation, slug: str, writers: int, readers: int, importers: int = 0
) -> LoadedTenant:
    token = installation.issuer.token("faults", slug)
    return LoadedTenant(slug, lambda: token, writers, readers, importers)


@contextmanager
def _flask(environment: dict[str, str], log: Path, *arguments: str) -> Iterator[None]:
    """Let a `flask` command run until the block ends. It has to survive the fault by itself."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            tied([sys.executable, "-m", "flask", *arguments]),
            env=environment,
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"flask {arguments[0]} has ended: {log.read_text()[-2000:]}")
    finally:
        process.kill()
        process.wait()


@contextmanager
def mover(
    stage: Stage,
    target: tuple[Tier, str],
    step: str,
    changes: Mapping[str, str] = MappingProxyType({}),
    max_pause: float = LONGEST_PAUSE,
) -> Iterator["subprocess.Popen[str]"]:
    """Start the mover, and wait until it stops at the beginning of a step.

    `changes` are changes to its environment, and `max_pause` is in seconds. Raises RuntimeError if
    it does not reach the step.
    """
    moved, log = stage.moved, stage.log.with_suffix(".mover")
    command = [sys.executable, "-m", "faults.moves.mover", moved.tenant.slug]
    command += [target[0].value, target[1], step, str(max_pause)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["timeout", str(STEP_SECONDS + MOVER_SECONDS), *command],
            env={**stage.environment, **changes},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != step:
            raise RuntimeError(log.read_text()[-2000:])
        moved.target = next(each for each in moved.placements() if each.id != moved.source.id)
        yield process
    finally:
        process.kill()
        process.communicate()


def let_go(process: "subprocess.Popen[str]") -> None:
    """Let a mover go on that has stopped at its step."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
