"""Clinical records of patients: all types are in one table."""

import datetime as dt
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.model import TenantModel, Timestamped
from trially.recruiting.patients.model import WithdrawalReason


class RecordType(StrEnum):
    """The type of a record."""

    CONDITION = "condition"
    OBSERVATION = "observation"
    MEDICATION = "medication"
    PROCEDURE = "procedure"
    ALLERGY = "allergy"
    IMMUNIZATION = "immunization"
    ENCOUNTER = "encounter"


class DatePrecision(StrEnum):
    """The part of a date that its source knows."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    INSTANT = "instant"


class Comparator(StrEnum):
    """How a measured value relates to the true one, as in FHIR's Quantity."""

    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER_OR_EQUAL = ">="
    GREATER = ">"


class ClinicalFact(Timestamped, TenantModel):
    """One coded, dated fact about a patient, from one FHIR resource or a component of one."""

    __tablename__ = "clinical_fact"

    patient_id: Mapped[UUID]
    type: Mapped[RecordType] = mapped_column(String(12))
    code_system: Mapped[str | None] = mapped_column(String(255))
    code: Mapped[str | None] = mapped_column(String(128))
    display: Mapped[str | None] = mapped_column(String(1000))
    other_codings: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    """Further codings of the same concept: objects with `system`, `code` and `display`."""
    category: Mapped[str | None] = mapped_column(String(128))
    status: Mapped[str | None] = mapped_column(String(128))
    clinical_status: Mapped[str | None] = mapped_column(String(128))
    verification_status: Mapped[str | None] = mapped_column(String(128))
    criticality: Mapped[str | None] = mapped_column(String(128))
    start_at: Mapped[dt.datetime | None]
    start_precision: Mapped[str | None] = mapped_column(String(7))
    """Precision of the date in the source: `year`, `month`, `day` or `instant`."""
    end_at: Mapped[dt.datetime | None]
    end_precision: Mapped[str | None] = mapped_column(String(7))
    recorded_at: Mapped[dt.datetime | None]
    value_number: Mapped[Decimal | None] = mapped_column(Numeric)
    value_code_system: Mapped[str | None] = mapped_column(String(255))
    value_code: Mapped[str | None] = mapped_column(String(128))
    value_text: Mapped[str | None] = mapped_column(String(4000))
    unit: Mapped[str | None] = mapped_column(String(128))
    comparator: Mapped[str | None] = mapped_column(String(2))
    parent_code: Mapped[str | None] = mapped_column(String(128))
    """For a component: the code of its observation."""
    recorded_patient_id: Mapped[UUID | None]
    """The patient that the record came with, if that patient was replaced by `patient_id`."""
    source: Mapped[str] = mapped_column(String(64))
    base_url: Mapped[str] = mapped_column(String(1024), server_default="")
    """Base URL of the server that assigned the id, if it is not the source's own."""
    source_type: Mapped[str] = mapped_column(String(40))
    source_id: Mapped[str] = mapped_column(String(64))
    component: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """0 for the resource itself; 1, 2, … for its components."""
    encounter_source_id: Mapped[str | None] = mapped_column(String(64))
    medication_source_id: Mapped[str | None] = mapped_column(String(64))
    """Id at the source of the Medication resource that names the medication of this fact."""
    entered_in_error: Mapped[bool] = mapped_column(server_default=text("false"))
    """True if the source marks the record as entered in error. It is stored and never counted."""
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    version_at: Mapped[dt.datetime | None]
    """When the source last changed the record: `meta.lastUpdated`."""
    version_number: Mapped[int | None] = mapped_column(BigInteger)
    """The source's number of the version: `meta.versionId`, if it is a number."""
    withdrawn_at: Mapped[dt.datetime | None]
    withdrawn_reason: Mapped[WithdrawalReason | None] = mapped_column(String(20))

    __table_args__ = (
        UniqueConstraint(
            "tenant_id",
            "source",
            "base_url",
            "source_type",
            "source_id",
            "component",
            name="uq_clinical_fact_resource",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "patient_id"], ["patient.tenant_id", "patient.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["tenant_id", "recorded_patient_id"],
            ["patient.tenant_id", "patient.id"],
            name="fk_clinical_fact_recorded_patient_id",
            ondelete="CASCADE",
        ),
        Index(
            "ix_clinical_fact_tenant_id_recorded_patient_id",
            "tenant_id",
            "recorded_patient_id",
            postgresql_where=text("recorded_patient_id IS NOT NULL"),
        ),
        CheckConstraint(
            "type IN ({})".format(", ".join(f"'{kind}'" for kind in RecordType)), name="type"
        ),
        Index(
            "ix_clinical_fact_tenant_id_patient_id_start_at", "tenant_id", "patient_id", "start_at"
        ),
        Index("ix_clinical_fact_tenant_id_type_code", "tenant_id", "type", "code", "patient_id"),
        Index(
            "ix_clinical_fact_tenant_id_medication_source_id",
            "tenant_id",
            "medication_source_id",
            postgresql_where=text("medication_source_id IS NOT NULL"),
        ),
    )
