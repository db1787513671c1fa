"""Run one fault of a move under load, and return its outcome."""

import itertools
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from faults.children import tied
from faults.installation import Installation
from faults.moves.fault import MoveFault, MoveOutcome
from faults.moves.sides import inventory, names_of, placements_of, writable_sides
from faults.ports import free_port
from faults.scene import Scene
from faults.serving import start_gunicorn
from trially.auth.members.managing import add_member
from trially.auth.permissions import Role
from trially.config import ROOT
from trially.demo.load import Load, LoadedTenant, running_load
from trially.tenancy.catalog import Operation, OperationState, PlacementRecord, Tenant
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.operations import all_operations
from trially.tenancy.lifecycle.provisioning import create_tenant

WRITERS, READERS = 8, 2
PATIENTS_OF_AN_IMPORT = 500
BESIDE = "pooled-one"
"""A tenant that does not move, and whose records and answers are compared as well."""

COMMANDS = {"worker": ("worker",), "moves": ("tenants", "settle-moves", "--every", "2s")}
"""What the Procfile lets run beside gunicorn."""

STEP_SECONDS = 90.0
"""The longest time until the mover reaches the step."""

FAULT_SECONDS = 4.0
LIMIT_SECONDS = 10.0
"""In which one side must be writable, after the fault."""

NOTHING = "nothing"
"""What has ended an operation that goes on."""

MOVER_SECONDS = 90.0
SETTLE_SECONDS = 30.0
POLL_SECONDS = 0.2
_numbers = itertools.count(1)


@dataclass
class Moved:
    """The tenant of one fault, and its mover."""

    installation: Installation
    fault: MoveFault
    tenant: Tenant
    source: PlacementRecord
    target: PlacementRecord | None = None

    def operation(self) -> Operation:
        """Return the operation of the move."""
        with self.installation.app.app_context():
            return next(each for each in all_operations() if each.tenant_id == self.tenant.id)

    def placements(self) -> list[PlacementRecord]:
        with self.installation.app.app_context():
            return placements_of(self.tenant.id)

    def writable(self) -> list[PlacementRecord]:
        with self.installation.app.app_context():
            return writable_sides(self.tenant.id)


def run(fault: MoveFault, installation: Installation) -> MoveOutcome:
    """Move a new tenant under load, let the fault happen, end the operation, and look for traces.

    Raises RuntimeError if the mover does not reach the step.
    """
    scene = Scene(installation, free_port())
    with ExitStack() as stack:
        moved = _make_tenant(fault, installation)
        before = inventory(installation)
        changes = stack.enter_context(fault.prepare(scene))
        environment = installation.environment()
        log = installation.folder / f"move-{fault.name}.log"
        scene.gunicorn = start_gunicorn(scene.port, environment, log)
        stack.callback(scene.kill_gunicorn)
        scene.gunicorn.wait_until_live()
        for name, command in COMMANDS.items():
            stack.enter_context(_flask(environment, log.with_suffix(f".{name}"), *command))
        url = f"http://127.0.0.1:{scene.port}"
        tenants = [
            _loaded(installation, moved.tenant.slug, WRITERS, READERS, importers=1),
            _loaded(installation, BESIDE, 1, 1),
        ]
        with running_load(url, tenants, imported_patients=PATIENTS_OF_AN_IMPORT) as load:
            time.sleep(2)
            with _mover(moved, {**environment, **changes}, log) as mover:
                with fault.happen(scene):
                    assert mover.stdin is not None
                    mover.stdin.write("\n")
                    mover.stdin.flush()
                    with suppress(subprocess.TimeoutExpired):
                        mover.wait(FAULT_SECONDS)
                one_side_after = _wait_for_one_side(moved)
                ended_by = _end(moved, mover)
            time.sleep(2)
        return _judge(moved, load, before, one_side_after, ended_by)


def _make_tenant(fault: MoveFault, installation: Installation) -> Moved:
    tier, server = fault.source
    slug = f"moved-{next(_numbers)}"
    with installation.app.app_context():
        tenant = create_tenant(slug, slug, tier=tier, server=server)
        with tenant_context(slug):
            add_member("faults", Role.ADMIN)
        (source,) = placements_of(tenant.id)
    return Moved(installation, fault, tenant, source)


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
def _mover(
    moved: Moved, environment: dict[str, str], log: Path
) -> Iterator["subprocess.Popen[str]"]:
    """Start the mover, and wait until it has reached the step of the fault."""
    fault = moved.fault
    command = [sys.executable, "-m", "faults.moves.mover", moved.tenant.slug]
    command += [fault.target[0].value, fault.target[1], fault.step]
    with log.with_suffix(".mover").open("ab") as output:
        mover = subprocess.Popen(
            ["timeout", str(STEP_SECONDS + MOVER_SECONDS), *command],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    try:
        assert mover.stdout is not None
        if mover.stdout.readline().strip() != fault.step:
            raise RuntimeError(log.with_suffix(".mover").read_text()[-2000:])
        moved.target = next(each for each in moved.placements() if each.id != moved.source.id)
        yield mover
    finally:
        mover.kill()
        mover.communicate()


def _wait_for_one_side(moved: Moved) -> float | None:
    """Return the seconds until exactly one side is writable, or None if it takes too long."""
    began = time.monotonic()
    while time.monotonic() < began + LIMIT_SECONDS:
        with suppress(Exception):  # a server that recovers refuses connections
            if len(moved.writable()) == 1:
                return time.monotonic() - began
        time.sleep(POLL_SECONDS)
    return None


def _end(moved: Moved, mover: "subprocess.Popen[str]") -> str:
    """Wait for the mover, end the operation if it has not, and return what has ended it."""
    mover.wait()
    operation = moved.operation()
    if operation.state not in (OperationState.RUNNING, OperationState.UNDOING):
        return "mover"
    undo = ("--undo", "--yes") if moved.fault.is_undone and operation.step != "hand_over" else ()
    command = ("operations", "resume", str(operation.id), *undo)
    try:
        moved.installation.run_command(*command)
    except RuntimeError as error:
        return f"{NOTHING}: {error}"
    return " ".join((*command[:2], *undo[:1]))


def _judge(
    moved: Moved, load: Load, before: frozenset[str], one_side_after: float | None, ended_by: str
) -> MoveOutcome:
    verdict = load.verdict()
    end, complaints = _look_for_traces(moved, before)
    if one_side_after is None:
        complaints.append(f"not exactly one side writable within {LIMIT_SECONDS:.0f} s")
    if ended_by.startswith(NOTHING):
        complaints.append(f"the operation was ended by {ended_by}")
    complaints += [f"{number} {kind}" for kind, number in verdict.amiss.items()]
    complaints += [finding.what for finding in verdict.findings[:5]]
    errors: Counter[str] = Counter()
    for (_tenant, error), number in load.traffic.errors.items():
        errors[error] += number
    longest = load.traffic.longest
    return MoveOutcome(
        fault=moved.fault,
        acknowledged=verdict.acknowledged,
        findings=verdict.amiss,
        errors=dict(errors.most_common()),
        longest_wait=longest.seconds if longest else 0.0,
        one_side_after=one_side_after,
        end=end,
        ended_by=ended_by,
        complaints=tuple(complaints),
    )


def _look_for_traces(moved: Moved, before: frozenset[str]) -> tuple[str, list[str]]:
    """Return the side that serves the tenant, and a sentence about each thing that is left."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while len(moved.placements()) > 1 and time.monotonic() < deadline:
        moved.installation.run_command("tenants", "settle-moves")
        time.sleep(POLL_SECONDS)
    active, *others = moved.placements()
    complaints = [f"the placement in {each.database} is left" for each in others]
    if [each.id for each in moved.writable()] != [active.id]:
        complaints.append("the active side is not the writable one")
    after = inventory(moved.installation)
    ours = names_of(active)
    left = [thing for thing in after - before if not ours & set(thing.split())]
    complaints += [f"{thing} is left" for thing in sorted(left)]
    if active.id != moved.source.id:
        gone = names_of(moved.source) - ours - _shared(moved)
        kept = [thing for thing in after if gone & set(thing.split())]
        complaints += [f"{thing} of the source is left" for thing in sorted(kept)]
    return ("source" if active.id == moved.source.id else "target"), complaints


def _shared(moved: Moved) -> frozenset[str]:
    """Return the names that other tenants use, too."""
    shared = {"tenant", "public", "trially"}
    for each in moved.installation.tenants:
        shared |= {each.database, each.schema, each.role}
    return frozenset(shared)
