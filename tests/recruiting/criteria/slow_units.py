"""A small table of units for the slow evaluator, with factors from the literature.

It is not the product's table, so that a wrong factor or spelling there is found.
"""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class SlowUnit:
    """A unit: `value * factor + offset` is the value in the first unit of its analyte."""

    name: str
    factor: Fraction
    offset: Fraction
    digits: int
    """Decimal places that laboratories report."""


@dataclass(frozen=True)
class SlowAnalyte:
    """What some LOINC codes measure."""

    loinc: tuple[str, ...]
    units: tuple[SlowUnit, ...]
    misread: tuple[tuple[str, str], ...] = ()
    """Pairs of code and unit whose numbers are of another scale."""


def _unit(name: str, factor: str, digits: int, offset: str = "0") -> SlowUnit:
    return SlowUnit(name, Fraction(factor), Fraction(offset), digits)


ANALYTES = (
    # NGSP % = 0.09148 * IFCC + 2.152, the master equation of the NGSP. The code of the IFCC's
    # method in percent is on the IFCC's scale, and so is not comparable.
    SlowAnalyte(
        ("4548-4", "59261-8"),
        (_unit("%", "1", 1), _unit("mmol/mol", "0.09148", 0, "2.152")),
        misread=(("59261-8", "%"),),
    ),
    # The molar mass of glucose is 180.156 g/mol.
    SlowAnalyte(("2345-7",), (_unit("mg/dL", "1", 0), _unit("mmol/L", "18.0156", 1))),
    # A degree Celsius is 1.8 degrees Fahrenheit, from 32 on.
    SlowAnalyte(("8310-5",), (_unit("[degF]", "1", 1), _unit("Cel", "1.8", 1, "32"))),
)

SPELLINGS = {
    "percent": "%",
    "pct": "%",
    "mg/dl": "mg/dL",
    "MG/DL": "mg/dL",
    "mmol/l": "mmol/L",
    "mM": "mmol/L",
    "degF": "[degF]",
    "°F": "[degF]",
    "C": "Cel",
    "degC": "Cel",
    "score": "1",
    "{score}": "1",
    "": "1",
}
"""Other spellings of units that sources use."""


def spelled(unit: str | None) -> str:
    """Return the usual spelling of a unit. A number without one has the unit `1`."""
    text = (unit or "1").strip()
    return SPELLINGS.get(text, text)
