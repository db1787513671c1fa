"""The reviewed table of units, by LOINC code."""

from collections.abc import Iterable

from trially.recruiting.criteria.units.analyte import Analyte
from trially.recruiting.criteria.units.bodies import BODIES
from trially.recruiting.criteria.units.chemistry import CHEMISTRY
from trially.recruiting.criteria.units.haematology import HAEMATOLOGY
from trially.recruiting.criteria.units.hormones import HORMONES

UNIT_TABLE_VERSION = 1
"""Grows with each change of a factor, a code or a spelling: results of leaves depend on it."""

ANALYTES: tuple[Analyte, ...] = (*CHEMISTRY, *HAEMATOLOGY, *HORMONES, *BODIES)
_BY_LOINC = {code: each for each in ANALYTES for code in each.loinc}


def analyte_of(loinc: str) -> Analyte | None:
    """Return what a LOINC code measures, if it is in the table."""
    return _BY_LOINC.get(loinc)


def analytes_of(codes: Iterable[str]) -> list[Analyte]:
    """Return what some LOINC codes measure, each analyte once."""
    return list({each.name: each for code in codes if (each := _BY_LOINC.get(code))}.values())
