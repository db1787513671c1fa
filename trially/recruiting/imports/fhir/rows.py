"""The rows that FHIR resources are translated to: plain values, ready for JSON."""

from dataclasses import dataclass
from typing import TypedDict, final

from trially.database.model import length_of
from trially.recruiting.patients.model import Patient
from trially.recruiting.records.model import ClinicalFact

LONGEST_ID = length_of(ClinicalFact.source_id)
LONGEST_CODE = length_of(ClinicalFact.code)
LONGEST_SYSTEM = length_of(ClinicalFact.code_system)
LONGEST_DISPLAY = length_of(ClinicalFact.display)
LONGEST_VALUE_TEXT = length_of(ClinicalFact.value_text)
LONGEST_NAME = length_of(Patient.family_name)


class CodingRow(TypedDict):
    """One coding of a concept, with the canonical URL of its system."""

    system: str | None
    code: str
    display: str | None


class AddressRow(TypedDict):
    """A patient's postal address."""

    line: str | None
    city: str | None
    state: str | None
    postal_code: str | None
    country: str | None


class NameRow(TypedDict):
    """One of a patient's names."""

    use: str | None
    given_name: str | None
    family_name: str | None
    full_name: str | None
    """The whole name, if it has no parts."""
    period_start: str | None
    period_end: str | None


@final
class PatientRow(TypedDict):
    """The row of a Patient resource."""

    source_id: str
    mrn: str
    given_name: str | None
    family_name: str | None
    names: list[NameRow]
    """All names, the shown one included."""
    birth_date: str | None
    birth_date_precision: str | None
    sex: str | None
    gender_identity: str | None
    race: str | None
    ethnicity: str | None
    language: str | None
    phone: str | None
    email: str | None
    address: AddressRow | None
    deceased: bool
    deceased_at: str | None
    active: bool
    entered_in_error: bool


@final
class MedicationRow(TypedDict):
    """The row of a Medication resource, for requests that refer to the resource by its id."""

    source_id: str
    code_system: str | None
    code: str | None
    display: str | None
    other_codings: list[CodingRow] | None
    status: str | None
    entered_in_error: bool


@final
class FactRow(TypedDict):
    """One clinical fact about one patient."""

    patient_source_id: str
    type: str
    """A value of `RecordType`."""
    source_type: str
    source_id: str
    component: int
    parent_code: str | None
    code_system: str | None
    code: str | None
    display: str | None
    other_codings: list[CodingRow] | None
    category: str | None
    status: str | None
    clinical_status: str | None
    verification_status: str | None
    criticality: str | None
    start_at: str | None
    start_precision: str | None
    end_at: str | None
    end_precision: str | None
    recorded_at: str | None
    value_number: int | float | None
    value_code_system: str | None
    value_code: str | None
    value_text: str | None
    unit: str | None
    comparator: str | None
    encounter_source_id: str | None
    medication_source_id: str | None
    entered_in_error: bool


@dataclass(frozen=True, slots=True)
class IgnoredResource:
    """A resource of a type that is not imported."""

    type: str


Translated = PatientRow | MedicationRow | list[FactRow] | IgnoredResource


class ResourceError(Exception):
    """A resource cannot be translated. The reason names an element, and never quotes its content.

    `element` is in FHIR's notation, such as `Observation.component[0].code`. `problem` continues
    the sentence that begins with it: "is missing".
    """

    def __init__(self, element: str, problem: str) -> None:
        self.reason = f"{element} {problem}."
        self.pointer = _to_pointer(element)
        """The element as a JSON pointer into the resource (RFC 6901)."""
        super().__init__(self.reason)


def _to_pointer(element: str) -> str:
    """Return the JSON pointer of an element. Only its first step may be the resource's type."""
    steps = element.replace("[", ".").replace("]", "").split(".")
    return "".join(f"/{step}" for step in (steps[1:] if len(steps) > 1 else steps))
