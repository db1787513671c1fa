"""Run one fault of a move under load, and return its outcome."""

import subprocess
import time
from contextlib import suppress

from faults.installation import Installation
from faults.moves.fault import MoveFault, MoveOutcome
from faults.moves.judging import complaints_of, repeated_attempts
from faults.moves.stage import (
    AFTER_SECONDS,
    BEFORE_SECONDS,
    Moved,
    Stage,
    let_go,
    mover,
    new_scene,
    staged,
)
from faults.moves.traces import look_for_traces
from trially.tenancy.catalog_choices import OperationState

FAULT_SECONDS = 4.0
LIMIT_SECONDS = 10.0
"""In which one side must be writable, after the fault."""

NOTHING = "nothing"
"""What has ended an operation that goes on."""

POLL_SECONDS = 0.2


def run(fault: MoveFault, installation: Installation) -> MoveOutcome:
    """Move a new tenant under load, let the fault happen, end the operation, and look for traces.

    Raises RuntimeError if the mover does not reach the step.
    """
    scene = new_scene(installation)
    with fault.prepare(scene) as changes, staged(fault.name, fault.source, scene) as stage:
        time.sleep(BEFORE_SECONDS)
        with mover(stage, fault.target, fault.step, changes) as process:
            with fault.happen(scene):
                let_go(process)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(FAULT_SECONDS)
            one_side_after = _wait_for_one_side(stage.moved)
            ended_by = _end(fault, stage.moved, process)
        time.sleep(AFTER_SECONDS)
        return _judge(fault, stage, one_side_after, ended_by)


def _wait_for_one_side(moved: Moved) -> float | None:
    """Return the seconds until exactly one side is writable, or None if it takes too long."""
    began = time.monotonic()
    while time.monotonic() < began + LIMIT_SECONDS:
        with suppress(Exception):  # a server that recovers refuses connections
            if len(moved.writable()) == 1:
                return time.monotonic() - began
        time.sleep(POLL_SECONDS)
    return None


def _end(fault: MoveFault, moved: Moved, process: "subprocess.Popen[str]") -> str:
    """Wait for the mover, end the operation if it has not, and return what has ended it."""
    process.wait()
    operation = moved.operation()
    if operation.state not in (OperationState.RUNNING, OperationState.UNDOING):
        return "mover"
    undo = ("--undo", "--yes") if fault.is_undone and operation.step != "hand_over" else ()
    command = ("operations", "resume", str(operation.id), *undo)
    try:
        moved.installation.run_command(*command)
    except RuntimeError as error:
        return f"{NOTHING}: {error}"
    return " ".join((*command[:2], *undo[:1]))


def _judge(
    fault: MoveFault, stage: Stage, one_side_after: float | None, ended_by: str
) -> MoveOutcome:
    load = stage.load
    verdict = load.verdict()
    end, complaints = look_for_traces(stage.moved, stage.before)
    if one_side_after is None:
        complaints.append(f"not exactly one side writable within {LIMIT_SECONDS:.0f} s")
    if ended_by.startswith(NOTHING):
        complaints.append(f"the operation was ended by {ended_by}")
    complaints += complaints_of(verdict)
    longest = load.traffic.longest
    return MoveOutcome(
        fault=fault,
        acknowledged=verdict.acknowledged,
        findings=verdict.amiss,
        errors=repeated_attempts(load),
        longest_wait=longest.seconds if longest else 0.0,
        one_side_after=one_side_after,
        end=end,
        ended_by=ended_by,
        complaints=tuple(complaints),
    )
