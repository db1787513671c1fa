"""Add single measurements as Observations."""

from dataclasses import dataclass
from typing import Any

from trially.demo.chart import Chart, Visit
from trially.demo.codes import LOINC, Coding, to_concept, to_quantity, to_status


@dataclass(frozen=True)
class Measure:
    """A quantity that is measured: its LOINC code, UCUM unit and decimals."""

    code: str
    display: str
    unit: str
    decimals: int = 0
    category: str = "laboratory"

    @property
    def coding(self) -> Coding:
        """The LOINC code as a Coding."""
        return Coding(LOINC, self.code, self.display)

    def round(self, value: float) -> float:
        """Return a value with the decimals that the instrument reports."""
        return round(value, self.decimals) if self.decimals else round(value)


def write_measurement(
    chart: Chart, visit: Visit, measure: Measure, value: float, comparator: str | None = None
) -> float:
    """Add a value, and return it rounded."""
    rounded = measure.round(value)
    quantity = to_quantity(rounded, measure.unit, comparator)
    write_observation(chart, visit, measure.coding, measure.category, valueQuantity=quantity)
    return rounded


def write_observation(
    chart: Chart, visit: Visit, coding: Coding, category: str, **value: Any
) -> None:
    """Add an Observation; `value` holds its `value[x]` or `component` elements."""
    chart.add(
        "Observation",
        status="final",
        category=[to_status("observation-category", category)],
        code=to_concept(coding),
        subject=chart.subject,
        encounter=visit.encounter,
        effectiveDateTime=visit.moment,
        **value,
    )
