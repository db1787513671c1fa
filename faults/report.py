"""Write outcomes: one line each, or the page docs/faults.md."""

import os
from pathlib import Path

from faults.outcome import Outcome


def describe(outcome: Outcome) -> str:
    """Return an outcome in one paragraph."""
    before, during, after = outcome.served_per_second
    lines = [
        f"{outcome.name}: {'; '.join(outcome.complaints) or 'held'}",
        (
            f"  acknowledged {outcome.acknowledged}, lost {outcome.lost},"
            f" doubled {outcome.doubled}, foreign {outcome.foreign};"
            f" served {before:.0f} / {during:.0f} / {after:.0f} per second"
        ),
        (
            f"  recovery {_seconds(outcome.recovery_seconds)}; threads left {outcome.threads_left};"
            f" p99 {outcome.p99_before_ms:.0f} ms, of others {outcome.p99_others_ms or 0:.0f} ms;"
            f" /livez {outcome.livez_worst_seconds:.1f} s"
        ),
        f"  errors: {_errors(outcome)}",
    ]
    return "\n".join(lines)


def write_page(path: Path, outcomes: list[Outcome], not_run: dict[str, str]) -> None:
    """Write the table of a run."""
    held = sum(not outcome.complaints for outcome in outcomes)
    lines = [
        INTRODUCTION.format(
            cores=os.cpu_count(),
            acknowledged=sum(outcome.acknowledged for outcome in outcomes),
            lost=sum(outcome.lost for outcome in outcomes),
            doubled=sum(outcome.doubled for outcome in outcomes),
            foreign=sum(outcome.foreign for outcome in outcomes),
            held=held,
            total=len(outcomes) + len(not_run),
        ),
        (
            "| fault | may reach | acknowledged | lost / doubled / foreign | errors | recovery"
            " | threads left | p99 before, of others | held |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(outcome) for outcome in outcomes),
        *(f"| {name} | | | | | | | | not run: {reason} |" for name, reason in not_run.items()),
        "",
    ]
    path.write_text("\n".join(lines))


def _row(outcome: Outcome) -> str:
    others = "-" if outcome.p99_others_ms is None else f"{outcome.p99_others_ms:.0f} ms"
    cells = (
        f"**{outcome.name}**: {outcome.what}",
        outcome.reach,
        str(outcome.acknowledged),
        f"{outcome.lost} / {outcome.doubled} / {outcome.foreign}",
        _errors(outcome),
        _seconds(outcome.recovery_seconds),
        "not measured" if outcome.threads_left is None else str(outcome.threads_left),
        f"{outcome.p99_before_ms:.0f} ms, {others}",
        "; ".join(outcome.complaints) or "yes",
    )
    return f"| {' | '.join(cells)} |"


def _errors(outcome: Outcome) -> str:
    parts = [f"{number} x {kind}" for kind, number in outcome.errors.items()]
    return ", ".join(parts) or "none"


def _seconds(seconds: float | None) -> str:
    return "not recovered" if seconds is None else f"{seconds:.1f} s"


INTRODUCTION = """# Faults under load

`make faults` writes this page.
"""
