"""Write outcomes of moves: a paragraph each, or the page docs/faults-of-moves.md."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from faults.moves.catalogue import MOVE_FAULTS
from faults.moves.fault import MoveOutcome
from faults.moves.page import Row, read_rows, table_of
from faults.moves.pair_running import MAX_PAUSE
from faults.moves.pairs import PAIRS, PairOutcome
from faults.moves.running import FAULT_SECONDS, LIMIT_SECONDS
from faults.moves.stage import PATIENTS_OF_AN_IMPORT

INTRODUCTION = Path(__file__).with_name("introduction.md")
FAULT_HEADER = (
    "fault",
    "from, to",
    "acknowledged",
    "lost, doubled, elsewhere",
    "one side writable after",
    "ended by, at",
    "longest wait",
    "repeated attempts",
    "verdict",
)
PAIR_HEADER = (
    "move",
    "from, to",
    "acknowledged",
    "lost, doubled, elsewhere",
    "rows copied, then changed",
    "imports, exports",
    "pause, tries",
    "longest wait",
    "p99 of another tenant before, during",
    "repeated attempts",
    "verdict",
)


def describe(outcome: MoveOutcome | PairOutcome) -> str:
    """Return an outcome in one paragraph."""
    header = PAIR_HEADER if isinstance(outcome, PairOutcome) else FAULT_HEADER
    row = row_of(outcome)
    told = zip(header[1:], row.cells[1:], strict=True)
    return "\n".join([row.name, *(f"  {title}: {cell}" for title, cell in told)])


def write_page(
    path: Path, outcomes: Sequence[MoveOutcome | PairOutcome], not_run: dict[str, str]
) -> None:
    """Write the page of one run. Cases that it did not have keep the rows of a former run."""
    rows = read_rows(path) if path.exists() else {}
    rows |= {row.name: row for row in map(row_of, outcomes)}
    rows |= {name: _row_of_failure(name, why) for name, why in not_run.items()}
    pairs, faults = _sorted(rows, PAIRS), _sorted(rows, MOVE_FAULTS)
    known = [*pairs, *faults]
    text = INTRODUCTION.read_text().format(
        moves=len(pairs),
        moves_held=sum(row.is_held for row in pairs),
        faults=len(faults),
        faults_held=sum(row.is_held for row in faults),
        acknowledged=sum(row.acknowledged for row in known),
        losses="{} lost, {} doubled, {} in another tenant".format(
            *map(sum, zip(*(row.losses for row in known), strict=True))
        ),
        limit=round(LIMIT_SECONDS),
        fault_seconds=round(FAULT_SECONDS),
        imported=PATIENTS_OF_AN_IMPORT,
        max_pause=round(MAX_PAUSE * 1000),
        pair_table=table_of(PAIR_HEADER, pairs),
        fault_table=table_of(FAULT_HEADER, faults),
    )
    path.write_text(text)


def _sorted(rows: dict[str, Row], names: Iterable[str]) -> list[Row]:
    """Return the rows in the order of the catalogue. A case without figures says so."""
    return [rows.get(name) or _row_of_failure(name, "not measured yet") for name in names]


def row_of(outcome: MoveOutcome | PairOutcome) -> Row:
    """Return the row of an outcome."""
    losses = (str(outcome.findings.get(kind, 0)) for kind in ("lost", "doubled", "elsewhere"))
    errors = ", ".join(f"{number} x {kind}" for kind, number in outcome.errors.items()) or "none"
    verdict = "; ".join(outcome.complaints) or "held"
    if isinstance(outcome, PairOutcome):
        title, case, figures = f"`{outcome.pair.name}`", outcome.pair, _pair_figures(outcome)
    else:
        title, case = f"`{outcome.fault.name}`: {outcome.fault.what}", outcome.fault
        figures = _fault_figures(outcome)
    places = " to ".join(f"{tier.value} on {server}" for tier, server in (case.source, case.target))
    acknowledged = f"{outcome.acknowledged:,}"
    return Row((title, places, acknowledged, ", ".join(losses), *figures, errors, verdict))


def _fault_figures(outcome: MoveOutcome) -> tuple[str, ...]:
    seconds = outcome.one_side_after
    return (
        "never" if seconds is None else f"{seconds:.1f} s",
        f"{outcome.ended_by}, {outcome.end}",
        f"{outcome.longest_wait:.1f} s",
    )


def _pair_figures(outcome: PairOutcome) -> tuple[str, ...]:
    return (
        f"{outcome.copied_rows:,}, {outcome.changed_rows:,}",
        f"{outcome.imports}, {outcome.exports}",
        f"{outcome.pause * 1000:.0f} ms, {outcome.attempts}",
        f"{outcome.longest_wait * 1000:.0f} ms",
        f"{outcome.p99_before * 1000:.0f} ms, {outcome.p99_during * 1000:.0f} ms",
    )


def _row_of_failure(name: str, why: str) -> Row:
    width = len(PAIR_HEADER) if name in PAIRS else len(FAULT_HEADER)
    return Row((f"`{name}`", *[""] * (width - 2), f"not run: {why}"))
