"""Write outcomes: a paragraph each, or the page docs/faults.md."""

import os
import platform
from pathlib import Path

from faults.installation import REQUEST_TIMEOUT_MS
from faults.load import CLIENTS_PER_TENANT, GIVES_UP_SECONDS, REFUSED_SECONDS, THINKING_SECONDS
from faults.outcome import LEAST_SHARE, P99_FACTOR, P99_FLOOR_MS, SLOW_SECONDS, Outcome
from faults.serving import THREADS, WORKERS

INTRODUCTION = Path(__file__).with_name("introduction.md")
HEADER = (
    "| fault | may reach | acknowledged | lost, doubled, foreign | errors | recovery"
    " | threads left | p99 before, of others | verdict |"
)


def describe(outcome: Outcome) -> str:
    """Return an outcome in one paragraph."""
    rates = " / ".join("-" if rate is None else f"{rate:.0f}" for rate in outcome.served_per_second)
    lines = [
        f"{outcome.name}: {_verdict(outcome)}",
        f"  acknowledged {outcome.acknowledged}, {_losses(outcome)}; served {rates} per second",
        f"  lasted {outcome.fault_seconds:.1f} s, recovery {_recovery(outcome)}",
        f"  threads left {_threads(outcome)}; p99 {_p99(outcome)}; /livez {_livez(outcome)}",
        f"  errors: {_errors(outcome)}",
    ]
    return "\n".join(lines)


def write_page(path: Path, outcomes: list[Outcome], not_run: dict[str, str]) -> None:
    """Write the page of one run."""
    facts = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "workers": WORKERS,
        "threads": THREADS,
        "clients": CLIENTS_PER_TENANT,
        "thinking_ms": round(THINKING_SECONDS * 1000),
        "refused_ms": round(REFUSED_SECONDS * 1000),
        "gives_up": round(GIVES_UP_SECONDS),
        "timeout": REQUEST_TIMEOUT_MS // 1000,
        "slow": SLOW_SECONDS,
        "factor": P99_FACTOR,
        "floor": P99_FLOOR_MS,
        "share": LEAST_SHARE,
        "acknowledged": sum(outcome.acknowledged for outcome in outcomes),
        "lost": sum(outcome.lost for outcome in outcomes),
        "doubled": sum(outcome.doubled for outcome in outcomes),
        "foreign": sum(outcome.foreign for outcome in outcomes),
        "held": sum(outcome.is_held for outcome in outcomes),
        "total": len(outcomes) + len(not_run),
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


def _row(outcome: Outcome) -> str:
    cells = (
        f"`{outcome.name}`: {outcome.what}",
        outcome.reach,
        f"{outcome.acknowledged:,}",
        f"{outcome.lost}, {outcome.doubled}, {outcome.foreign}",
        _errors(outcome),
        _recovery(outcome),
        _threads(outcome),
        _p99(outcome),
        _verdict(outcome),
    )
    return f"| {' | '.join(cells)} |"


def _verdict(outcome: Outcome) -> str:
    return "; ".join((*outcome.complaints, *outcome.delays)) or "held"


def _losses(outcome: Outcome) -> str:
    return f"lost {outcome.lost}, doubled {outcome.doubled}, foreign {outcome.foreign}"


def _threads(outcome: Outcome) -> str:
    return "not measured" if outcome.threads_left is None else str(outcome.threads_left)


def _p99(outcome: Outcome) -> str:
    before = f"{outcome.p99_before_ms:.0f}" if outcome.p99_before_ms else "-"
    others = "-" if outcome.p99_others_ms is None else f"{outcome.p99_others_ms:.0f}"
    return f"{before}, {others} ms"


def _errors(outcome: Outcome) -> str:
    parts = [f"{number} x {kind}" for kind, number in outcome.errors.items()]
    return ", ".join(parts) or "none"


def _livez(outcome: Outcome) -> str:
    return f"{outcome.livez_worst_seconds:.1f} s"


def _recovery(outcome: Outcome) -> str:
    seconds = outcome.recovery_seconds
    return "not recovered" if seconds is None else f"{seconds:.1f} s"
