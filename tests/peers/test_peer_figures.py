"""The figures of the comparison with peers, and the table that shows them."""

import pytest

from benchmarks.peers.comparing import Quartiles, Row, compare, quartiles_of, table_of
from benchmarks.requests import Sample


def sample(application_us: float, postgres_us: float = 0, rate: float = 100) -> Sample:
    return Sample(rate, application_us, postgres_us, 20, 1, 2, 3)


def test_quartiles_lie_between_the_values() -> None:
    assert quartiles_of([4, 1, 3, 2, 5]) == Quartiles(2, 3, 4)
    assert quartiles_of([7]) == Quartiles(7, 7, 7)


def test_a_ratio_compares_bursts_of_one_round() -> None:
    # The machine is three times as slow in the second round, for both.
    app = [sample(100), sample(300), sample(100)]
    yardstick = [sample(150), sample(450), sample(150)]

    figures = compare(app, yardstick)

    assert figures.ratio == Quartiles(1.5, 1.5, 1.5)
    assert figures.cpu_us == 100


def test_the_cpu_of_postgresql_counts() -> None:
    figures = compare([sample(100, 100)], [sample(300, 100)])

    assert figures.ratio.median == 2
    assert (figures.cpu_us, figures.postgres_us) == (200, 100)


def test_samples_of_different_rounds_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        compare([sample(1)], [sample(1), sample(1)])


def test_the_table_has_a_line_for_each_row() -> None:
    figures = compare([sample(1000, 234)], [sample(617)])
    rows = [Row(1, "C", {"read one": figures}, 60.4, 4), Row(100, "D", {"read one": figures}, 7, 8)]

    assert table_of(rows, "C") == [
        "| tenants | app | read one | MB | connections |",
        "| ---: | --- | --- | ---: | ---: |",
        "| 1 | **C** | **0.50** (0.50 to 0.50) 1,234 µs, 100/s, 1.0 / 2.0 / 3.0 ms | 60 | 4 |",
        "| 100 | D | **0.50** (0.50 to 0.50) 1,234 µs, 100/s, 1.0 / 2.0 / 3.0 ms | 7 | 8 |",
    ]
