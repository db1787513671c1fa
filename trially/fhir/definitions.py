"""URLs of what trially defines beyond FHIR: extensions, code systems and value sets."""

from uuid import UUID

from trially.exports.fhir.elements import Json

BASE = "https://trially.ai/fhir"

OVERALL_STATUS = f"{BASE}/StructureDefinition/overall-status"
"""The status of a study in ClinicalTrials.gov's terms, of which FHIR has fewer."""

RECRUITING_STATUS = f"{BASE}/StructureDefinition/recruiting-status"
"""Whether the tenant recruits for a study."""

LEFT_OUT = f"{BASE}/StructureDefinition/criterion-left-out"
"""A criterion that a Group cannot say."""

CRITERION_OUTCOME = f"{BASE}/StructureDefinition/criterion-outcome"
"""The result of one criterion for a patient."""

COUNTS = f"{BASE}/CodeSystem/match-counts"
"""What a number of patients in a MeasureReport counts."""

VALUE_SETS = f"{BASE}/ValueSet"

RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
UCUM = "http://unitsofmeasure.org"


def urn_of(number: UUID) -> str:
    """Return the canonical URL of what a version of a protocol defines, on all servers."""
    return f"urn:uuid:{number}"


def id_of_version(study_id: UUID, number: int) -> str:
    """Return the id of the Group and of the Library of a version of a study's protocol."""
    return f"{study_id}-{number}"


def extension(url: str, **value: object) -> Json:
    """Return an extension with one value: `extension(url, valueCode="open")`."""
    return {"url": url, **value}
