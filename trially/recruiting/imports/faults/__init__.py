"""Faults of an import: what was not imported, why, and where it is in the input."""

from dataclasses import dataclass, replace
from enum import StrEnum


class FaultCode(StrEnum):
    """The kind of a fault. A code is never renamed and never reused for another kind."""

    # The input as a whole.
    DAMAGED_FILE = "damaged_file"
    """The file is truncated, damaged, encrypted or packed in too many layers."""

    EMPTY_INPUT = "empty_input"
    """The input holds no resource."""

    EXPORT_ERROR = "export_error"
    """The system that wrote the input says that a part of it failed."""

    MORE_PAGES = "more_pages"
    """The input is one page of a search result, and has a link to the next page."""

    WRONG_FORMAT = "wrong_format"
    """The file is not FHIR JSON. The sentence says what it is, and what to do."""

    # A record.
    DUPLICATE_MEMBER = "duplicate_member"
    """An object names a member twice. Parsers disagree about such objects."""

    INVALID_ENCODING = "invalid_encoding"
    """The content is not UTF-8."""

    INVALID_JSON = "invalid_json"
    """The content is not JSON, or not a JSON object."""

    INVALID_RESOURCE_TYPE = "invalid_resource_type"
    """`resourceType` is missing, or is not the name of a type that FHIR has."""

    INVALID_ID = "invalid_id"
    """The resource has no id, or one that breaks FHIR's rule."""

    INVALID_REFERENCE = "invalid_reference"
    """A reference that the record needs is missing, cannot be read, or refers to another type."""

    INVALID_ROW = "invalid_row"
    """A row of a CSV file cannot be read, or has no record number, value or code."""

    INVALID_MESSAGE = "invalid_message"
    """An HL7 v2 message or segment cannot be read, or is of a kind that is not imported."""

    NOT_SUPPORTED = "not_supported"
    """The content is valid FHIR that imports do not take in."""

    TOO_LARGE = "too_large"
    """The line, entry, file or resource is larger than a limit."""

    PATIENT_MISSING = "patient_missing"
    """The patient is not here. The record waits for an import that brings the patient."""

    TOO_MANY_WAITING = "too_many_waiting"
    """The patient is not here, and too many records of this source wait already."""

    MRN_TAKEN = "mrn_taken"
    """Another patient has this medical record number."""

    QUOTA_EXCEEDED = "quota_exceeded"
    """The plan of the tenant does not allow the record. The import ended before its batch."""

    REJECTED = "rejected"
    """The database rejected a value of the record."""

    # An element of a record.
    MISSING_ELEMENT = "missing_element"
    """An element that the record needs is missing."""

    TEXT_INCOMPLETE = "text_incomplete"
    """The text of a document, or a part of it, is not there or cannot be read."""

    INVALID_ELEMENT = "invalid_element"
    """The value of an element is not what FHIR allows there."""


class Concern(StrEnum):
    """How much a fault concerns. Faults are listed in this order, which is the alphabetical one."""

    INPUT = "input"
    """The whole input: it is incomplete, or is not what it should be."""

    RECORD = "record"
    """One record, which was not imported."""

    VALUE = "value"
    """One value. The record was imported without it."""


@dataclass(frozen=True, slots=True)
class LineFault:
    """A fault with its place in the input. It never quotes the content, because that is PHI."""

    file: str
    line: int
    reason: str
    pointer: str | None = None
    """The element of the resource, as a JSON pointer (RFC 6901)."""
    code: FaultCode = FaultCode.INVALID_ELEMENT
    concerns: Concern = Concern.RECORD
    resource_type: str | None = None
    resource_id: str | None = None
    missing_id: str | None = None
    """Type and id of what is not there: `Patient/17`."""
    other_id: str | None = None
    """Type and id of the record that has what this one wants: `Patient/17`."""

    def at(self, file: str, line: int) -> "LineFault":
        """Return this fault at a place."""
        return replace(self, file=file, line=line)


INPUT_CODES = frozenset(
    {
        FaultCode.DAMAGED_FILE,
        FaultCode.EMPTY_INPUT,
        FaultCode.EXPORT_ERROR,
        FaultCode.MORE_PAGES,
        FaultCode.WRONG_FORMAT,
    }
)
"""The codes of faults that concern the whole input."""


def fault(code: FaultCode, reason: str) -> LineFault:
    """Return a fault whose place is not known yet."""
    concerns = Concern.INPUT if code in INPUT_CODES else Concern.RECORD
    return LineFault("", 0, reason, code=code, concerns=concerns)
