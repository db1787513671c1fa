"""Compare samples of several apps, and write them as a table in Markdown."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.requests import Sample


@dataclass(frozen=True)
class Quartiles:
    """The quartiles of some values."""

    lower: float
    median: float
    upper: float


@dataclass(frozen=True)
class Figures:
    """An app's results for one kind of request: medians of all rounds."""

    cpu_us: float
    """CPU of the app and of PostgreSQL, per request."""
    postgres_us: float
    """PostgreSQL's part of it."""
    ratio: Quartiles
    """CPU of the yardstick in a round, divided by the app's CPU in that round."""
    requests_per_second: float
    median_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Row:
    """One row of the table: an app with a number of tenants."""

    tenants: int
    app: str
    figures: Mapping[str, Figures]
    """By kind of request."""
    memory_mb: float
    """Proportional set size of all processes of the web server, after its last round."""
    connections: int
    """Connections to PostgreSQL that ended with the web server."""


def quartiles_of(values: Sequence[float]) -> Quartiles:
    """Return the quartiles; a single value is all three."""
    if len(values) == 1:
        return Quartiles(values[0], values[0], values[0])
    return Quartiles(*statistics.quantiles(values, n=4, method="inclusive"))


def compare(samples: Sequence[Sample], yardstick: Sequence[Sample]) -> Figures:
    """Return an app's figures. The samples at the same place are of the same round."""
    pairs = zip(samples, yardstick, strict=True)

    def median(field: str) -> float:
        return statistics.median(getattr(sample, field) for sample in samples)

    return Figures(
        cpu_us=median("cpu_us"),
        postgres_us=median("postgres_us"),
        ratio=quartiles_of([other.cpu_us / own.cpu_us for own, other in pairs]),
        requests_per_second=median("requests_per_second"),
        median_ms=median("median_ms"),
        p95_ms=median("p95_ms"),
        p99_ms=median("p99_ms"),
    )


def table_of(rows: Sequence[Row], yardstick: str) -> list[str]:
    """Return the lines of the table."""
    kinds = list(rows[0].figures)
    head = ["tenants", "app", *kinds, "MB", "connections"]
    lines = [_line(head), _line(["---:", "---", *["---"] * len(kinds), "---:", "---:"])]
    for row in rows:
        name = f"**{row.app}**" if row.app == yardstick else row.app
        cells = [_cell(row.figures[kind]) for kind in kinds]
        size = [f"{row.memory_mb:.0f}", str(row.connections)]
        lines.append(_line([str(row.tenants), name, *cells, *size]))
    return lines


def _cell(figures: Figures) -> str:
    ratio = figures.ratio
    return (
        f"**{ratio.median:.2f}** ({ratio.lower:.2f} to {ratio.upper:.2f})"
        f" {figures.cpu_us:,.0f} µs, {figures.requests_per_second:,.0f}/s,"
        f" {figures.median_ms:.1f} / {figures.p95_ms:.1f} / {figures.p99_ms:.1f} ms"
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
