"""What one transaction discloses and changes, noted while it runs, for its audit record."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Change:
    """A row that was created, changed or deleted, with the old and new values of its columns."""

    table: str
    row_id: UUID
    patient_id: UUID | None
    """The patient that the row is about; a patient's own id."""

    is_about_patients: bool
    """Whether the table holds rows about patients, so that its values are encrypted."""

    values: dict[str, tuple[Any, Any]] = field(repr=False)
    """Old and new value of each column that changed. A new row has only new values."""


@dataclass(slots=True)
class AuditNotes:
    """Notes for one audit record. The record is written by the COMMIT of the transaction."""

    discloses: bool = False
    """Whether the answer shows data about patients, even if it found none."""

    patients: set[UUID] = field(default_factory=set)
    """The patients that the answer is about."""

    numbers: dict[UUID, int] = field(default_factory=dict)
    """Audit numbers of patients that were read, by the patient's id."""

    keys: dict[UUID, bytes] = field(default_factory=dict, repr=False)
    """Audit keys of patients that were changed, by the patient's id."""

    changes: list[Change] = field(default_factory=list)

    unnoted: set[str] = field(default_factory=set)
    """Tables that statements have written, and whose changes are not noted yet."""

    written: set[str] = field(default_factory=set)
    """Tables of which many rows were written, and no old and new values are kept."""

    are_announced: bool = False
    """`changes_noted` was sent for them."""

    details: dict[str, Any] = field(default_factory=dict)
    """What else the record says. No value may identify a patient."""

    @property
    def are_empty(self) -> bool:
        """Whether there is nothing to record."""
        return not (self.discloses or self.patients or self.changes or self.written or self.details)

    @property
    def are_untouched(self) -> bool:
        """Whether nothing at all was noted."""
        return self.are_empty and not (self.numbers or self.keys or self.unnoted)
