"""The rows of the page docs/faults-of-moves.md, which later runs keep."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TITLE = re.compile(r"`(\w+)`")
ACKNOWLEDGED, LOSSES = 2, 3
"""The columns that all tables have."""


@dataclass(frozen=True)
class Row:
    """The figures of one case."""

    cells: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the case, with which the first cell begins."""
        found = _TITLE.match(self.cells[0])
        assert found is not None
        return found[1]

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged; 0 if the case was not run."""
        return int(self.cells[ACKNOWLEDGED].replace(",", "") or 0)

    @property
    def losses(self) -> tuple[int, int, int]:
        """How many writes are lost, doubled and elsewhere."""
        lost, doubled, elsewhere = map(int, (self.cells[LOSSES] or "0, 0, 0").split(", "))
        return lost, doubled, elsewhere

    @property
    def is_held(self) -> bool:
        return self.cells[-1] == "held"


def read_rows(path: Path) -> dict[str, Row]:
    """Return the rows of a page, by name."""
    lines = [line for line in path.read_text().splitlines() if line.startswith("| `")]
    rows = [Row(tuple(cell.strip() for cell in line[1:-1].split("|"))) for line in lines]
    return {row.name: row for row in rows}


def table_of(header: Sequence[str], rows: Sequence[Row]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
