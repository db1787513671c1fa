"""The rows that FHIR resources are translated to: plain values, ready for JSON."""

from dataclasses import dataclass
from typing import Any, NotRequired, Required, TypedDict, final

from trially.database.model import length_of
from trially.recruiting.documents.model import Document
from trially.recruiting.imports.faults import FaultCode
from trially.recruiting.patients.choices import WithdrawalReason
from trially.recruiting.patients.model import Patient
from trially.recruiting.records.model import ClinicalFact

LONGEST_ID = length_of(ClinicalFact.source_id)
LONGEST_CODE = length_of(ClinicalFact.code)
LONGEST_SYSTEM = length_of(ClinicalFact.code_system)
LONGEST_DISPLAY = length_of(ClinicalFact.display)
LONGEST_VALUE_TEXT = length_of(ClinicalFact.value_text)
LONGEST_REFERENCE_TEXT = length_of(ClinicalFact.reference_text)
LONGEST_FOCUS = length_of(ClinicalFact.focus)
LONGEST_NAME = length_of(Patient.family_name)
LONGEST_TITLE = length_of(Document.title)
LONGEST_AUTHOR = length_of(Document.author)


Number = int | float | str
"""A number, or the text of one that a float does not keep as it is written."""


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
    latitude: NotRequired[float]
    """Degrees (WGS 84). It is left out, as is the longitude, if the place is not known."""
    longitude: NotRequired[float]


class NameRow(TypedDict):
    """One of a patient's names."""

    use: str | None
    given_name: str | None
    family_name: str | None
    full_name: str | None
    """The whole name, if it has no parts."""
    period_start: str | None
    period_end: str | None


class IdentifierRow(TypedDict):
    """One identifier of a patient."""

    system: str | None
    value: str
    type: str | None
    use: str | None
    period_start: str | None
    period_end: str | None
    assigner: str | None
    mrn_rank: int | None


@final
class PatientRow(TypedDict):
    """The row of a Patient resource."""

    source_id: str
    mrn: str
    mrn_system: str | None
    link_base_url: str | None
    link_source_id: str | None
    replaces: list[tuple[str, str]] | None
    """Base URL, empty if relative, and id of each record that this one replaces."""
    identifiers: list[IdentifierRow]
    """All identifiers; they have rows of their own."""
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
    deceased_on: str | None
    deceased_precision: str | None
    deceased_zone: str | None
    date_problem: str | None
    impossible_dates: dict[str, str] | None
    active: bool
    entered_in_error: bool
    custom_values: NotRequired[dict[str, str | int | float | bool]]
    """Values of the tenant's own fields. All others of the patient stay."""


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


class ConceptRow(TypedDict, total=False):
    """A concept in a record's details."""

    system: str | None
    code: str | None
    display: str | None
    text: str | None
    other_codings: list[CodingRow]
    type: str | None


@final
class FactRow(TypedDict, total=False):
    """One clinical fact about one patient. A field that is absent is null in its column."""

    patient_source_id: Required[str]
    type: Required[str]
    """A value of `RecordType`."""
    source_type: Required[str]
    source_id: Required[str]
    component: Required[int]
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
    negated: Required[bool]
    intent: str | None
    focus: str | None
    start_at: str | None
    start_precision: str | None
    start_offset: int | None
    start_age: str | None
    end_at: str | None
    end_precision: str | None
    end_offset: int | None
    end_age: str | None
    date_problem: str | None
    recorded_at: str | None
    recorded_offset: int | None
    zone: str | None
    zoned_times: str | None
    value_number: Number | None
    value_code_system: str | None
    value_code: str | None
    value_text: str | None
    unit: str | None
    comparator: str | None
    reference_low: Number | None
    reference_high: Number | None
    reference_text: str | None
    interpretation: str | None
    details: dict[str, Any] | None
    encounter_source_id: str | None
    medication_source_id: str | None
    entered_in_error: Required[bool]


@final
class PartRow(TypedDict):
    """A part of a document's text: an attachment, a narrative, or a section."""

    element: str
    """Its place in the resource, in FHIR's notation."""
    heading: str | None
    pages: list[str]
    is_paged: bool
    """The pages are those of a PDF."""
    problem: str | None
    """A value of `TextProblem`."""
    binary_id: str | None
    """Id at the source of the Binary that holds the text, if it is not in the resource."""
    binary_base: str
    """Base URL of that Binary's server, empty for that of the document."""


@final
class DocumentRow(TypedDict):
    """A document about one patient."""

    patient_source_id: str
    source_type: str
    source_id: str
    type_system: str | None
    type_code: str | None
    type_display: str | None
    other_codings: list[CodingRow] | None
    category: str | None
    title: str | None
    author: str | None
    at: str | None
    at_precision: str | None
    at_offset: int | None
    dated_on: str | None
    zone: str | None
    date_problem: str | None
    status: str | None
    document_status: str | None
    encounter_source_id: str | None
    entered_in_error: bool
    parts: list[PartRow]


@final
class BinaryRow(TypedDict):
    """The text of a Binary resource, for documents of the same import that refer to it."""

    source_id: str
    pages: list[str]
    is_paged: bool
    problem: str | None
    entered_in_error: bool


@dataclass(frozen=True, slots=True)
class IgnoredResource:
    """A resource of a type that is not imported."""

    type: str
    withdraws: WithdrawalReason | None = None
    """Why a stored version of the same resource is no longer used."""


Translated = (
    PatientRow | MedicationRow | BinaryRow | list[FactRow] | list[DocumentRow] | IgnoredResource
)


class ResourceError(Exception):
    """A resource cannot be translated. The reason names an element, and never quotes its content.

    `element` is in FHIR's notation, such as `Observation.component[0].code`. `problem` continues
    the sentence that begins with it: "is missing".
    """

    def __init__(
        self, element: str, problem: str, code: FaultCode = FaultCode.INVALID_ELEMENT
    ) -> None:
        is_missing = code == FaultCode.INVALID_ELEMENT and problem == "is missing"
        self.code = FaultCode.MISSING_ELEMENT if is_missing else code
        self.reason = f"{element} {problem}."
        self.pointer = _to_pointer(element)
        """The element as a JSON pointer into the resource (RFC 6901)."""
        super().__init__(self.reason)

    def add_version(self, version: str) -> None:
        """Say that the resource has another version of FHIR than R4."""
        self.reason = f"{self.reason[:-1]} (FHIR {version})."


def _to_pointer(element: str) -> str:
    """Return the JSON pointer of an element. Only its first step may be the resource's type."""
    steps = element.replace("[", ".").replace("]", "").split(".")
    return "".join(f"/{step}" for step in (steps[1:] if len(steps) > 1 else steps))
