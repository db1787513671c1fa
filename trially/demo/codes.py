"""Build the coded elements of FHIR: Coding, CodeableConcept and Quantity."""

from dataclasses import dataclass
from typing import Any

SNOMED = "http://snomed.info/sct"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem"


@dataclass(frozen=True)
class Coding:
    """One code of one code system."""

    system: str
    code: str
    display: str


def snomed(code: str, display: str) -> Coding:
    """Return a SNOMED CT code."""
    return Coding(SNOMED, code, display)


def icd_10(code: str, display: str) -> Coding:
    """Return an ICD-10-CM code."""
    return Coding(ICD_10_CM, code, display)


def to_concept(*codings: Coding) -> dict[str, Any]:
    """Return a CodeableConcept; its text is the display of the first coding."""
    return {"coding": [to_coding(coding) for coding in codings], "text": codings[0].display}


def to_coding(coding: Coding) -> dict[str, str]:
    """Return a FHIR Coding."""
    return {"system": coding.system, "code": coding.code, "display": coding.display}


def to_status(system: str, code: str) -> dict[str, Any]:
    """Return a CodeableConcept of an HL7 code system."""
    return {"coding": [{"system": f"{HL7}/{system}", "code": code}]}


def to_quantity(value: float, unit: str, comparator: str | None = None) -> dict[str, Any]:
    """Return a FHIR Quantity in a UCUM unit."""
    quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
    return quantity if comparator is None else {**quantity, "comparator": comparator}
