"""Say what a FHIR resource becomes: plain rows, ready for JSON."""

from dataclasses import dataclass
from typing import Literal, TypedDict, final

LONGEST_ID = 64
LONGEST_CODE = 128
LONGEST_SYSTEM = 255
LONGEST_DISPLAY = 1000
LONGEST_VALUE_TEXT = 4000
LONGEST_NAME = 200
LONGEST_MRN = 128
LONGEST_PHONE = 64
LONGEST_EMAIL = 320

FactType = Literal[
    "condition",
    "observation",
    "medication",
    "procedure",
    "allergy",
    "immunization",
    "encounter",
]


class CodingRow(TypedDict):
    """One coding of a concept, its system in canonical form."""

    system: str | None
    code: str
    display: str | None


class AddressRow(TypedDict):
    """Where a patient lives."""

    line: str | None
    city: str | None
    state: str | None
    postal_code: str | None
    country: str | None


@final
class PatientRow(TypedDict):
    """A patient as a Patient resource describes them."""

    source_id: str
    mrn: str
    given_name: str | None
    family_name: str | None
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
    """What a Medication resource stands for, for requests that only refer to it."""

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
    type: FactType
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
class PassedOver:
    """A resource of a kind that recruiting has no use for."""

    type: str


Translated = PatientRow | MedicationRow | list[FactRow] | PassedOver


class ResourceError(Exception):
    """A resource cannot become a row; the reason names an element, never its content."""

    def __init__(self, reason: str, where: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where
        """The element in FHIR's notation, such as `Observation.component[0].code`."""

    @property
    def pointer(self) -> str:
        """The element as a JSON pointer into the resource (RFC 6901)."""
        path = self.where.replace("[", ".").replace("]", "").split(".")
        return "".join(f"/{step}" for step in path[1:])
