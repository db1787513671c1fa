"""What the load of a move says: its complaints, and the attempts that were repeated."""

from collections import Counter

from trially.demo.load import Load, Verdict

SHOWN = 5
"""How many findings are told one by one."""


def complaints_of(verdict: Verdict) -> list[str]:
    """Return what is amiss with the writes and reads, in phrases."""
    counted = [f"{number} {kind}" for kind, number in verdict.amiss.items()]
    return counted + [finding.what for finding in verdict.findings[:SHOWN]]


def repeated_attempts(load: Load) -> dict[str, int]:
    """Return how many attempts clients had to repeat, by status and cause, most first."""
    errors: Counter[str] = Counter()
    for (_tenant, error), number in load.traffic.errors.items():
        errors[error] += number
    return dict(errors.most_common())
