"""Measurements: their names, LOINC codes, and the units in which texts give their bounds."""

from dataclasses import dataclass

from trially.recruiting.drafting.knowledge.analyte_table import ANALYTE_TABLE
from trially.recruiting.drafting.knowledge.kinds import Kind
from trially.recruiting.drafting.knowledge.phrases import Phrases
from trially.recruiting.drafting.knowledge.tables import Entry, read_table


@dataclass(frozen=True, slots=True)
class Analyte:
    """Something that is measured."""

    key: str
    kind: Kind
    names: tuple[str, ...]
    codes: tuple[str, ...]
    """LOINC codes."""
    units: tuple[str, ...]
    """UCUM units that texts may use."""
    unit: str | None
    """The unit that is meant where a text gives none, if that is certain enough."""
    least: float
    most: float
    """Between both are values without a unit that can be in `unit`."""


def _analyte(entry: Entry) -> Analyte:
    kind, codes, units, *assumed = entry.cells
    unit, least, most = assumed[0].split() if assumed else (None, "0", "0")
    return Analyte(
        entry.key,
        Kind(kind),
        entry.names,
        tuple(codes.split()),
        tuple(units.split()),
        unit,
        float(least),
        float(most),
    )


ANALYTES = {entry.key: _analyte(entry) for entry in read_table(ANALYTE_TABLE)}
"""All measurements, by their keys."""

ANALYTE_NAMES = Phrases((name, each) for each in ANALYTES.values() for name in each.names)

_PRESSURES = ("blood pressure", "bp", "arterial blood pressure", "arterial pressure")
PRESSURE_NAMES = Phrases((name, None) for name in _PRESSURES)
"""Both pressures at once: `blood pressure above 140/90 mmHg`."""
