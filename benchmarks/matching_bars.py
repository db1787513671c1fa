"""The bars of matching, and the lines that say whether figures meet them."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """A bar: what is measured, what is allowed, and how both are read from figures."""

    title: str
    bar: str
    describe: Callable[[Figures], str]
    is_met: Callable[[Figures], bool]


def describe_size(all_figures: Sequence[Figures], patients: int) -> str:
    """Return how many patients and records were measured, and where."""
    first = all_figures[0]["size"]
    jit = "with" if first["jit"] else "without"
    return (
        f"matching: {patients:,} patients, {first['records']:,} records, {os.cpu_count()} cores;"
        f" PostgreSQL {first['version']} with shared_buffers {first['shared_buffers']}, {jit} JIT"
    )


def rows_of(all_figures: Sequence[Figures]) -> Iterator[str]:
    """Yield a line for each bar, with a cell for each tenant."""
    for bar in BARS:
        cells = [_cell_of(bar, each) for each in all_figures]
        yield f"| {bar.title} | {bar.bar} | {' | '.join(cells)} |"


def _cell_of(bar: Bar, figures: Figures) -> str:
    """Return a figure, and whether it misses the bar."""
    try:
        return f"{bar.describe(figures)}{'' if bar.is_met(figures) else ' **missed**'}"
    except KeyError:
        return "not measured"


def _middle(samples: Sequence[Figures], name: str = "seconds") -> float:
    return float(median(each[name] for each in samples))


def _p95(samples: Sequence[Figures]) -> float:
    return float(quantiles((each["seconds"] for each in samples), n=20)[-1])


def _work(sample: Figures) -> str:
    return f"CPU {sample['own_cpu']:.2f} + {sample['postgres_cpu']:.2f} s"


def _once(name: str, *path: str) -> Callable[[Figures], str]:
    def describe(figures: Figures) -> str:
        sample = _at(figures, name, *path)
        return f"{sample['seconds']:.2f} s ({_work(sample)})"

    return describe


def _many(name: str) -> Callable[[Figures], str]:
    def describe(figures: Figures) -> str:
        samples = figures[name]
        cpu = _middle(samples, "own_cpu") + _middle(samples, "postgres_cpu")
        return (
            f"p50 {_middle(samples) * 1e3:.0f}, p95 {_p95(samples) * 1e3:.0f} ms"
            f" (CPU {cpu * 1e3:.0f} ms)"
        )

    return describe


def _of_studies(name: str) -> Callable[[Figures], str]:
    return lambda figures: f"{figures[name]['studies']} studies: {_once(name)(figures)}"


def _at(figures: Figures, *path: str) -> Any:
    for name in path:
        figures = figures[name]
    return figures


def _cold(figures: Figures) -> Figures:
    """Return the count in the middle of those with nothing kept."""
    samples: list[Figures] = sorted(figures["cold"], key=lambda each: float(each["seconds"]))
    return samples[len(samples) // 2]


def _below(seconds: float, *path: str) -> Callable[[Figures], bool]:
    return lambda figures: _at(figures, *path)["seconds"] <= seconds


def _p95_below(seconds: float, name: str) -> Callable[[Figures], bool]:
    return lambda figures: _p95(figures[name]) <= seconds


def _cpu(sample: Figures) -> float:
    return float(sample["own_cpu"] + sample["postgres_cpu"])


def _ratios(figures: Figures, by_hand: str) -> tuple[float, float]:
    """Return the CPU of a study relative to SQL: with nothing kept, and with everything kept."""
    sql = median(_cpu(each) for each in figures[by_hand])
    return _cpu(_cold(figures)) / sql, median(_cpu(each) for each in figures["cached"]) / sql


def _has_ended(figures: Figures, by_hand: str) -> bool:
    return all(each["rows"] is not None for each in figures[by_hand])


def _describe_ratios(by_hand: str) -> Callable[[Figures], str]:
    def describe(figures: Figures) -> str:
        if not _has_ended(figures, by_hand):
            return f"SQL by hand was ended after {_middle(figures[by_hand]):.0f} s"
        nothing, everything = _ratios(figures, by_hand)
        sample = min(figures[by_hand], key=_cpu)
        return (
            f"{nothing:.2f} x and {everything:.3f} x of {_middle(figures[by_hand]):.2f} s"
            f" ({_work(sample)})"
        )

    return describe


def _below_ratios(by_hand: str, nothing: float, everything: float) -> Callable[[Figures], bool]:
    def is_met(figures: Figures) -> bool:
        if not _has_ended(figures, by_hand):
            return True
        found = _ratios(figures, by_hand)
        return found[0] <= nothing and found[1] <= everything

    return is_met


def _describe_write(name: str) -> Callable[[Figures], str]:
    def describe(figures: Figures) -> str:
        sample = figures["writing"][name]
        return (
            f"{sample['written']:,} rows, {sample['seconds']:.2f} s ({_work(sample)}),"
            f" {sample['wal_bytes'] / 1e3:,.0f} KB of WAL"
        )

    return describe


def _rate(figures: Figures) -> float:
    return float(figures["import"]["resources"] / figures["import"]["seconds"])


def _describe_import(figures: Figures) -> str:
    imported = figures["import"]
    cpu = (imported["application_seconds"] + imported["postgres_seconds"]) / imported["resources"]
    return f"{_rate(figures):,.0f}/s ({cpu * 1e6:.0f} µs CPU each)"


def _describe_right_after(figures: Figures) -> str:
    came = figures["import"].get("vacuum_seconds")
    later = "autovacuum did not come" if came is None else f"autovacuum was done {came:.0f} s later"
    return f"{_once('import', 'right_after')(figures)}; {later}"


BARS: Sequence[Bar] = (
    Bar(
        "a study of 20 conditions, nothing kept",
        "3.5 s, 3.5 s of PostgreSQL's CPU",
        lambda figures: f"{_cold(figures)['seconds']:.2f} s ({_work(_cold(figures))})",
        lambda figures: max(_cold(figures)["seconds"], _cold(figures)["postgres_cpu"]) <= 3.5,
    ),
    Bar(
        "the same after a restart, without files in memory",
        "8 s",
        _once("restarted"),
        _below(8, "restarted"),
    ),
    Bar(
        "the same right after the import",
        "3.5 s",
        _describe_right_after,
        _below(3.5, "import", "right_after"),
    ),
    Bar(
        "all kept: counts, attrition in order and without each, one criterion off",
        "p95 50 ms",
        _many("cached"),
        _p95_below(0.05, "cached"),
    ),
    Bar(
        "a changed bound or window",
        "p95 100 ms",
        _many("changed_bound"),
        _p95_below(0.1, "changed_bound"),
    ),
    Bar(
        "a selector that was never read",
        "p95 800 ms",
        _many("new_selector"),
        _p95_below(0.8, "new_selector"),
    ),
    Bar(
        "CPU, nothing and everything kept, to SQL by hand that judges all patients",
        "1.1 x, 0.05 x",
        _describe_ratios("masks_by_hand"),
        _below_ratios("masks_by_hand", 1.1, 0.05),
    ),
    Bar(
        "the same to SQL by hand that lists the eligible patients",
        "4 x, 0.1 x",
        _describe_ratios("eligible_by_hand"),
        _below_ratios("eligible_by_hand", 4, 0.1),
    ),
    Bar(
        "1,000 changed patients, many studies, until matches are written",
        "6 s",
        lambda figures: f"{figures['changed']['patients']} patients: {_once('changed')(figures)}",
        _below(6, "changed"),
    ),
    Bar(
        "one patient, many studies, which are read and compiled too",
        "p95 60 ms",
        _many("one_patient"),
        _p95_below(0.06, "one_patient"),
    ),
    Bar(
        "many studies on a new day, no new records",
        "60 s, 2 % of rows written",
        lambda figures: (
            f"{_of_studies('new_day')(figures)},"
            f" {figures['new_day']['written'] / figures['new_day']['rows']:.2%} written"
        ),
        lambda figures: (
            figures["new_day"]["seconds"] <= 60
            and figures["new_day"]["written"] <= 0.02 * figures["new_day"]["rows"]
        ),
    ),
    Bar("many studies from nothing", "300 s", _of_studies("whole"), _below(300, "whole")),
    Bar(
        "a match for each patient, first written",
        "4 s",
        _describe_write("first"),
        _below(4, "writing", "first"),
    ),
    Bar(
        "the same again, nothing changed",
        "0 rows, 100 KB of WAL, 1 s",
        _describe_write("again"),
        lambda figures: (
            figures["writing"]["again"]["written"] == 0
            and figures["writing"]["again"]["wal_bytes"] < 100_000
            and figures["writing"]["again"]["seconds"] <= 1
        ),
    ),
    Bar("evidence of 50 patients", "p95 120 ms", _many("pages"), _p95_below(0.12, "pages")),
    Bar(
        "memory above the process's own, nothing kept",
        "150 MB",
        lambda figures: f"{max(each['memory_mb'] for each in figures['cold']):.0f} MB",
        lambda figures: max(each["memory_mb"] for each in figures["cold"]) <= 150,
    ),
    Bar(
        "a condition about all blood pressures ever, nothing kept",
        "3.5 s, 150 MB",
        lambda figures: (
            f"{_once('of_all_time')(figures)}, {figures['of_all_time']['memory_mb']:.0f} MB"
        ),
        lambda figures: (
            figures["of_all_time"]["seconds"] <= 3.5 and figures["of_all_time"]["memory_mb"] <= 150
        ),
    ),
    Bar("import", "5,000/s", _describe_import, lambda figures: _rate(figures) >= 5_000),
)
