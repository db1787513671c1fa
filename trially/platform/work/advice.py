"""Advise where tenants should live."""

from trially.advice.advising import advise
from trially.advice.rules import THRESHOLDS
from trially.auth.platform.permissions import PlatformPermission
from trially.platform.kinds import Outcome, Task, kind
from trially.platform.reporting import Report

MOST_MOVES = 10
MOST_SENTENCES = 200
"""Of each list in the result, which is a row of the catalog."""


@kind("tenants.advise", PlatformPermission.TENANTS_MOVE)
def advise_moves(_task: Task, report: Report) -> Outcome:
    """Find out which tenants should move where. Nothing is moved."""
    report.say("advise")
    described = advise({}, MOST_MOVES, THRESHOLDS).describe()
    for name in ("unplaced", "missing"):
        described[name] = described[name][:MOST_SENTENCES]
    return Outcome(described)
