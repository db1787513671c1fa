"""The code systems that can be loaded."""

from collections.abc import Mapping
from typing import NamedTuple

from trially.errors import OperatorError
from trially.value_sets.codes import LOINC, SNOMED

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
NDC = "http://hl7.org/fhir/sid/ndc"
ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"


class UnknownSystemError(OperatorError):
    """A name is not that of a code system that can be loaded."""


class System(NamedTuple):
    """A code system."""

    name: str
    """The short name, as criteria use it in front of a code: `sct`."""
    url: str
    """The canonical URL."""
    title: str


SYSTEMS: Mapping[str, System] = {
    each.name: each
    for each in (
        System("sct", SNOMED, "SNOMED CT"),
        System("icd10cm", ICD10CM, "ICD-10-CM"),
        System("rxnorm", RXNORM, "RxNorm"),
        System("loinc", LOINC, "LOINC"),
    )
}
"""By short name."""

BY_URL: Mapping[str, System] = {each.url: each for each in SYSTEMS.values()}


def get_system(name: str) -> System:
    """Return a system by its short name or its URL. Raises `UnknownSystemError`."""
    found = SYSTEMS.get(name) or BY_URL.get(name)
    if found is None:
        raise UnknownSystemError(
            f"{name!r} is no code system that can be loaded. Choose one of {', '.join(SYSTEMS)}."
        )
    return found
