"""Today's attacks on a tenant: what `flask tenants prove` tried, and what stopped it."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from trially.proving.attempts import Attempt, Outcome
from trially.proving.reports import states_of
from trially.proving.running import NEVER_APPLICABLE, Plan, attempts_before, make_plan, prove


def attack(
    slug: str, attackers: int, time_limit_seconds: float, report: Callable[[int, int], None]
) -> dict[str, Any]:
    """Attack a tenant as its neighbours, and return what held. Other tenants are not named.

    `report` is called with the number of steps that are done, and with that of all steps.
    """
    plan = make_plan((slug,), attackers, secrets.randbits(32))
    attempts = attempts_before(plan)
    for done, more in enumerate(prove(plan, time_limit_seconds), start=1):
        attempts += more
        report(done, plan.steps)
    swept = [attempt for _, sweep in plan.sweeps for attempt in sweep.attempts]
    [state] = [each for each in states_of(plan, swept + attempts) if each.slug == slug]
    return {
        "state": state.state,
        "reason": state.reason,
        "attackers": sum(len(pairing.attackers) for pairing in plan.pairings),
        "pairs_swept": sum(sweep.pairs for _, sweep in plan.sweeps),
        "tables_swept": len({table for _, sweep in plan.sweeps for table in sweep.tables}),
        "paths": _by_path(plan, [each for each in swept + attempts if each.tenant == slug]),
        "not_applicable": NEVER_APPLICABLE,
    }


def _by_path(plan: Plan, attempts: Iterable[Attempt]) -> list[dict[str, Any]]:
    """Return the number of attempts of each path and outcome, with the walls that held."""
    counts = Counter((attempt.path, attempt.outcome) for attempt in attempts)
    walls: dict[str, set[str]] = {}
    for attempt in attempts:
        held = {attempt.wall} if attempt.outcome is Outcome.HELD else set()
        walls.setdefault(attempt.path, set()).update(held)
    for _, sweep in plan.sweeps:
        for (path, wall), count in sweep.held.items():
            counts[path, Outcome.HELD] += count
            walls.setdefault(path, set()).add(wall)
    return [
        {
            "path": path,
            "walls": sorted(names),
            **{str(outcome): counts[path, outcome] for outcome in Outcome},
        }
        for path, names in walls.items()
    ]
