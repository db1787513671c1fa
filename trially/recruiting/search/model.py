"""All names of patients, and the terms that a search looks up."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, String
from sqlalchemy import text as sql_text
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import REMOVED, Copied, Held, classify, identifier, one_of
from trially.database.model import TenantModel
from trially.database.protection import BLINDED_TERM, SEALED, UNSEALED_PERIODS, protect
from trially.database.sealed_types import SealedText

LONGEST_TERM = 100
"""Longer terms are cut, and so is what is looked up."""


class TermKind(StrEnum):
    """What a term is about. A search looks up terms of one kind at a time."""

    NAME = "name"
    FULL_NAME = "full_name"
    """The first given name and the family name in one term, which possible duplicates share."""

    MRN = "mrn"
    """The MRN, or another identifier."""

    PHONE = "phone"
    """The digits of a phone number, last one first: its last digits are how the term begins."""

    EMAIL = "email"
    BIRTH_DATE = "birth_date"
    """A date in ISO notation, as far as it is known."""

    CUSTOM = "custom"
    """The digest of a value of a custom field. Words are not looked up among these."""


def _of_patient(column: str = "patient_id") -> ForeignKeyConstraint:
    """Return the foreign key of rows that are deleted with their patient."""
    # The patients' package imports this one, so the table is named.
    return ForeignKeyConstraint(
        ["tenant_id", column], ["patient.tenant_id", "patient.id"], ondelete="CASCADE"
    )


class PatientName(TenantModel):
    """One name of a patient, as the source sent it. The patient's row holds the shown name."""

    __tablename__ = "patient_name"

    patient_id: Mapped[UUID]
    position: Mapped[int]
    """The place among the patient's names at the source, from 0."""
    use: Mapped[str | None] = mapped_column(String(10))
    """FHIR's use of the name: `official`, `usual`, `maiden`, `nickname`, `old`, …"""
    given_name: Mapped[str | None] = mapped_column(SealedText(200, "patient_name.given_name"))
    family_name: Mapped[str | None] = mapped_column(SealedText(200, "patient_name.family_name"))
    full_name: Mapped[str | None] = mapped_column(SealedText(200, "patient_name.full_name"))
    """The whole name, if the source sent no parts."""
    period_start: Mapped[str | None] = mapped_column(String(10))
    """The first day, month or year of the name's use."""
    period_end: Mapped[str | None] = mapped_column(String(10))

    __table_args__ = (
        _of_patient(),
        Index("ix_patient_name_tenant_id_patient_id", "tenant_id", "patient_id", "position"),
        {"info": unaudited("Written with its patient.")},
    )


class PatientSearchTerm(TenantModel):
    """A normalised word or number by which a patient is found (`terms.py`)."""

    __tablename__ = "patient_search_term"

    patient_id: Mapped[UUID]
    """The patient that the term finds: the record that is used."""
    record_id: Mapped[UUID | None]
    """The replaced record that the term comes from; null if it is the patient's own record."""
    kind: Mapped[TermKind] = mapped_column(String(10))
    field: Mapped[str] = mapped_column(String(12))
    """The field that the term comes from: `given_name`, `mrn`, `identifier`, …"""
    use: Mapped[str | None] = mapped_column(String(10))
    """The use of the name or identifier of the term; null for what the patient's row shows."""
    term: Mapped[str] = mapped_column(String(LONGEST_TERM, collation="C"))

    __table_args__ = (
        _of_patient(),
        _of_patient("record_id"),
        # The collation C sorts by code points, so that the index finds beginnings in each tier. It
        # has all that a search reads, so that a frequent name costs no page of the table.
        Index(
            "ix_patient_search_term_words",
            "tenant_id",
            "kind",
            "term",
            "patient_id",
            postgresql_include=["field", "use", "record_id"],
        ),
        Index("ix_patient_search_term_tenant_id_patient_id", "tenant_id", "patient_id"),
        Index(
            "ix_patient_search_term_record_id",
            "tenant_id",
            "record_id",
            postgresql_where=sql_text("record_id IS NOT NULL"),
        ),
        {"info": unaudited("Follows from the patient.")},
    )


classify(
    PatientName,
    {
        Held.ID: "patient_id",
        Held.NUMBER: "position",
        one_of("use"): "use",
        identifier("given_name"): "given_name",
        identifier("family_name"): "family_name",
        identifier("full_name"): "full_name",
        REMOVED: "period_start period_end",
    },
)
protect(
    PatientName,
    {
        SEALED: "given_name family_name full_name",
        UNSEALED_PERIODS: "period_start period_end",
    },
)
classify(
    PatientSearchTerm,
    {
        Held.ID: "patient_id record_id",
        Held.TECHNICAL: "kind field use",
        Held.DERIVED: "term",
    },
    Copied.UNMASKED,
)
protect(
    PatientSearchTerm,
    {
        BLINDED_TERM: "term",
    },
)
