"""Medications and their classes: names, and RxNorm codes of the ingredients."""

from dataclasses import dataclass

from trially.recruiting.drafting.knowledge.cell_medication_table import CELL_MEDICATION_TABLE
from trially.recruiting.drafting.knowledge.medication_table import MEDICATION_TABLE
from trially.recruiting.drafting.knowledge.phrases import Phrases
from trially.recruiting.drafting.knowledge.tables import read_table


@dataclass(frozen=True, slots=True)
class MedicationConcept:
    """A medication, or a class of medications."""

    key: str
    """Also the name of the tenant's value set that replaces the codes, if there is one."""
    ingredients: tuple[str, ...]
    """RxNorm codes. All products that contain one are meant."""
    names: tuple[str, ...]


def _read() -> tuple[MedicationConcept, ...]:
    found = {entry.key: entry for entry in read_table(MEDICATION_TABLE + CELL_MEDICATION_TABLE)}
    concepts = []
    for entry in found.values():
        codes: list[str] = []
        for cell in entry.cells[0].split():
            codes += [cell] if cell.isdigit() else found[cell].cells[0].split()
        concepts.append(MedicationConcept(entry.key, tuple(codes), entry.names))
    return tuple(concepts)


MEDICATIONS = _read()
MEDICATION_NAMES = Phrases((name, each) for each in MEDICATIONS for name in each.names)
