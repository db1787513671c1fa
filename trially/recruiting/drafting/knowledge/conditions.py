"""Conditions: their names, and codes in ICD-10-CM (by prefix) and SNOMED CT.

Names that mean a stage, a cause or a severity are no names of the general condition, since a
criterion would then ask for less than its statement.
"""

from dataclasses import dataclass

from trially.recruiting.drafting.knowledge.cancer_table import CANCER
from trially.recruiting.drafting.knowledge.circulation_table import CIRCULATION
from trially.recruiting.drafting.knowledge.metabolism_table import METABOLISM
from trially.recruiting.drafting.knowledge.mind_table import MIND
from trially.recruiting.drafting.knowledge.organs_table import ORGANS
from trially.recruiting.drafting.knowledge.other_names import OTHER_NAMES
from trially.recruiting.drafting.knowledge.phrases import Phrases
from trially.recruiting.drafting.knowledge.tables import read_table

_TABLES = METABOLISM + CIRCULATION + CANCER + MIND + ORGANS


@dataclass(frozen=True, slots=True)
class ConditionConcept:
    """A condition with its codes."""

    key: str
    """Also the name of the tenant's value set that replaces the codes, if there is one."""
    icd10: tuple[str, ...]
    """Beginnings of ICD-10 and ICD-10-CM codes."""
    snomed: tuple[str, ...]
    """SNOMED CT concepts. Those below them are meant too."""
    names: tuple[str, ...]
    is_state: bool
    """Whether the codes say that something was done once, so that their dates mean nothing."""
    is_procedure: bool
    """Whether it is a procedure, found among procedures."""
    is_unrecorded: bool
    """Whether many records lack it, so that no record does not mean that the patient lacks it."""


def _read() -> tuple[ConditionConcept, ...]:
    return tuple(
        ConditionConcept(
            entry.key,
            tuple(entry.cells[0].split()),
            tuple(entry.cells[1].split()) if len(entry.cells) > 1 else (),
            entry.names,
            "state" in entry.cells[2:],
            "procedure" in entry.cells[2:],
            "unrecorded" in entry.cells[2:],
        )
        for entry in read_table(_TABLES)
    )


CONDITIONS = _read()
SNOMED_NAMES = {
    each.snomed[0]: each.names[0] for each in reversed(CONDITIONS) if len(each.snomed) == 1
}
"""The names of conditions that have one code, by this code of SNOMED CT."""
_KNOWN = [(name, each) for each in CONDITIONS for name in each.names]
_OTHERS = [(name.strip(), None) for name in OTHER_NAMES.split("|")]
CONDITION_NAMES: Phrases[ConditionConcept | None] = Phrases([*_KNOWN, *_OTHERS])
"""The conditions by their names, and None by names that only contain one."""
