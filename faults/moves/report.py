"""Write outcomes of moves: a paragraph each, or the page docs/faults-of-moves.md."""

from pathlib import Path

from faults.moves.fault import MoveOutcome
from faults.moves.running import FAULT_SECONDS, LIMIT_SECONDS, PATIENTS_OF_AN_IMPORT

INTRODUCTION = Path(__file__).with_name("introduction.md")
HEADER = (
    "| fault | from, to | acknowledged | lost, doubled, elsewhere | one side writable after"
    " | ended by, at | longest wait | repeated attempts | verdict |"
)


def describe(outcome: MoveOutcome) -> str:
    """Return an outcome in one paragraph."""
    ended = f"ended by {outcome.ended_by}, at the {outcome.end}"
    lines = [
        f"{outcome.fault.name}: {_verdict(outcome)}",
        f"  acknowledged {outcome.acknowledged}; {_losses(outcome)}",
        f"  one side writable after {_one_side(outcome)}; {ended}",
        f"  longest wait {outcome.longest_wait:.1f} s",
        f"  repeated: {_errors(outcome)}",
    ]
    return "\n".join(lines)


def write_page(path: Path, outcomes: list[MoveOutcome], not_run: dict[str, str]) -> None:
    """Write the page of one run."""
    facts = {
        "held": sum(outcome.is_held for outcome in outcomes),
        "total": len(outcomes) + len(not_run),
        "acknowledged": sum(outcome.acknowledged for outcome in outcomes),
        "lost": sum(outcome.findings.get("lost", 0) for outcome in outcomes),
        "doubled": sum(outcome.findings.get("doubled", 0) for outcome in outcomes),
        "elsewhere": sum(outcome.findings.get("elsewhere", 0) for outcome in outcomes),
        "limit": round(LIMIT_SECONDS),
        "fault_seconds": round(FAULT_SECONDS),
        "imported": PATIENTS_OF_AN_IMPORT,
    }
    page = [
        INTRODUCTION.read_text().format(**facts),
        HEADER,
        "|---" * HEADER.count(" | ") + "|---|",
        *(_row(outcome) for outcome in outcomes),
        *(f"| `{name}` |{' |' * 7} not run: {why} |" for name, why in not_run.items()),
        "",
    ]
    path.write_text("\n".join(page))


def _row(outcome: MoveOutcome) -> str:
    fault = outcome.fault
    sides = (fault.source, fault.target)
    places = " to ".join(f"{tier.value} on {server}" for tier, server in sides)
    cells = (
        f"`{fault.name}`: {fault.what}",
        places,
        f"{outcome.acknowledged:,}",
        ", ".join(str(outcome.findings.get(kind, 0)) for kind in ("lost", "doubled", "elsewhere")),
        _one_side(outcome),
        f"{outcome.ended_by}, {outcome.end}",
        f"{outcome.longest_wait:.1f} s",
        _errors(outcome),
        _verdict(outcome),
    )
    return f"| {' | '.join(cells)} |"


def _verdict(outcome: MoveOutcome) -> str:
    return "; ".join(outcome.complaints) or "held"


def _losses(outcome: MoveOutcome) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in outcome.findings.items()) or "all there"


def _one_side(outcome: MoveOutcome) -> str:
    return "never" if outcome.one_side_after is None else f"{outcome.one_side_after:.1f} s"


def _errors(outcome: MoveOutcome) -> str:
    return ", ".join(f"{number} x {kind}" for kind, number in outcome.errors.items()) or "none"
