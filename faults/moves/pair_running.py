"""Run a move between two placements under load, and return its outcome."""

import time

from faults.installation import Installation
from faults.moves.judging import complaints_of, repeated_attempts
from faults.moves.pairs import Pair, PairOutcome
from faults.moves.stage import AFTER_SECONDS, BESIDE, Stage, let_go, mover, new_scene, staged
from faults.moves.traces import look_for_traces
from trially.demo.load.traffic import percentile
from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_choices import OperationState

MAX_PAUSE = 0.25
"""How long requests may wait for the switch, in s."""

WARM_UP_SECONDS = 2.0
QUIET_SECONDS = 6.0
"""Of load without a move, for the p99 of the tenant that stays."""


def run_pair(pair: Pair, installation: Installation) -> PairOutcome:
    """Move a new tenant under load, with imports and exports as jobs, and look for traces."""
    scene = new_scene(installation)
    with staged(pair.name, pair.source, scene, with_exports=True) as stage:
        time.sleep(WARM_UP_SECONDS)
        quiet_since = time.monotonic()
        time.sleep(QUIET_SECONDS)
        quiet_until = time.monotonic()
        with mover(stage, pair.target, "copy", max_pause=MAX_PAUSE) as process:
            begun = time.monotonic()
            let_go(process)
            process.wait()
            ended = time.monotonic()
        time.sleep(AFTER_SECONDS)
        waits = stage.load.traffic.waits
        return _judge(
            pair,
            stage,
            p99_before=percentile(waits(BESIDE, quiet_since, quiet_until), 0.99),
            p99_during=percentile(waits(BESIDE, begun, ended), 0.99),
        )


def _judge(pair: Pair, stage: Stage, *, p99_before: float, p99_during: float) -> PairOutcome:
    load, exporter, operation = stage.load, stage.exporter, stage.moved.operation()
    assert exporter is not None
    exporter.stop()
    verdict = load.verdict()
    imports = len(load.ledgers[stage.moved.tenant.slug].imported)
    complaints = [*exporter.failures, *complaints_of(verdict)]
    if not (imports and exporter.done):
        complaints.append(f"{imports} imports and {exporter.done} exports have ended")
    result = operation.parameters.get("result", {})
    if operation.state == OperationState.DONE:
        complaints += look_for_traces(stage.moved, stage.before)[1]
    else:
        complaints.append(_describe_end(operation))
    longest = load.traffic.longest
    return PairOutcome(
        pair=pair,
        acknowledged=verdict.acknowledged,
        findings=verdict.amiss,
        errors=repeated_attempts(load),
        copied_rows=result.get("rows", 0),
        changed_rows=result.get("applied_rows", 0),
        imports=imports,
        exports=exporter.done,
        pause=result.get("pause_ms", 0) / 1000,
        attempts=result.get("attempts", 0),
        longest_wait=longest.seconds if longest else 0.0,
        p99_before=p99_before,
        p99_during=p99_during,
        complaints=tuple(complaints),
    )


def _describe_end(operation: Operation) -> str:
    return f"the move is {operation.state}: {operation.error}"
